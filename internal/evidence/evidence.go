// Package evidence keeps a copy of the ledger's event chain outside the ledger, as
// JSON lines that are only ever appended. With it a ledger that went back in time
// can be noticed, and the chain can be checked without the ledger.
package evidence

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// Chain is where events come from. *ledger.Ledger is one.
type Chain interface {
	Events(ctx context.Context, f ledger.Filter) ([]ledger.Event, error)
}

// batch is how many events are read from the ledger at a time.
const batch = 1000

// Append adds the events that the file does not have yet, and syncs it. A last
// line that a crash cut off is removed first. A file whose end is not in the
// ledger's chain is an error: one of the two went back in time.
func Append(ctx context.Context, file string, chain Chain) (err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("evidence log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	last, err := end(f)
	if err != nil {
		return fmt.Errorf("evidence log %s: %w", file, err)
	}
	if err := extends(ctx, chain, last); err != nil {
		return fmt.Errorf("evidence log %s: %w", file, err)
	}
	w := bufio.NewWriter(f)
	for {
		events, err := chain.Events(ctx, ledger.Filter{AfterSeq: last.Seq, Limit: batch})
		if err != nil {
			return err
		}
		for _, e := range events {
			line, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("encode event %d: %w", e.Seq, err)
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return fmt.Errorf("evidence log: %w", err)
			}
			last = e
		}
		if len(events) < batch {
			break
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("evidence log: %w", err)
	}
	return f.Sync()
}

// Verify checks a copy of the chain offline: every entry follows the one before
// and has the hash that its content gives.
func Verify(r io.Reader) (events int64, err error) {
	var seq int64
	var hash string
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		var e ledger.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return seq, fmt.Errorf("after entry %d: %w", seq, err)
		}
		// A key that is unknown or stands twice is in no hash, and others may read it.
		if again, err := json.Marshal(e); err != nil || !bytes.Equal(again, lines.Bytes()) {
			return seq, &ledger.ChainError{Seq: seq + 1, Reason: "its line is not as it was written"}
		}
		if seq, hash, err = ledger.VerifyEvents(seq, hash, []ledger.Event{e}); err != nil {
			return seq, err
		}
	}
	return seq, lines.Err()
}

// tail is how much of the file's end is read at first, in bytes; more when the
// last event is longer.
const tail = 64 << 10

// end returns the last whole event of the file, cuts off what a crash left behind
// it, and leaves the file positioned there. It reads the end of the file only.
func end(f *os.File) (ledger.Event, error) {
	info, err := f.Stat()
	if err != nil {
		return ledger.Event{}, err
	}
	for n := int64(tail); ; n *= 4 {
		start := max(info.Size()-n, 0)
		buf := make([]byte, info.Size()-start)
		if _, err := f.ReadAt(buf, start); err != nil {
			return ledger.Event{}, err
		}
		last := bytes.LastIndexByte(buf, '\n')
		before := bytes.LastIndexByte(buf[:max(last, 0)], '\n')
		if start > 0 && before < 0 {
			continue
		}
		var e ledger.Event
		if last >= 0 {
			if err := json.Unmarshal(buf[before+1:last], &e); err != nil {
				return e, fmt.Errorf("the last entry cannot be read: %w", err)
			}
		}
		offset := start + int64(last) + 1
		if err := f.Truncate(offset); err != nil {
			return e, err
		}
		_, err := f.Seek(offset, io.SeekStart)
		return e, err
	}
}

// ErrWentBack is returned when the ledger does not have the event that the log
// ends with.
var ErrWentBack = errors.New("the ledger does not contain the log's last entry: it went back in time, or the log belongs to another ledger")

func extends(ctx context.Context, chain Chain, last ledger.Event) error {
	if last.Seq == 0 {
		return nil
	}
	events, err := chain.Events(ctx, ledger.Filter{AfterSeq: last.Seq - 1, Limit: 1})
	if err != nil {
		return err
	}
	if len(events) == 0 || events[0].Seq != last.Seq || events[0].Hash != last.Hash {
		return ErrWentBack
	}
	return nil
}
