package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// ChainError says where the chain of events breaks.
type ChainError struct {
	Seq    int64 // first entry that is not what was written
	Reason string
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("event chain breaks at seq %d: %s", e.Seq, e.Reason)
}

// Sum returns the hash that the event must have: hex SHA-256 over Prev, a line
// feed and the canonical JSON (keys sorted, no spaces, nothing escaped that need
// not be) of the entry without prev and hash. It needs no ledger, so that an
// exported chain can be checked offline.
func (e Event) Sum() (string, error) {
	data, err := canonical(e.Data)
	if err != nil {
		return "", fmt.Errorf("event %d: %w", e.Seq, err)
	}
	return e.sum(data)
}

// sum is Sum of an event whose data is in canonical form already.
func (e Event) sum(data json.RawMessage) (string, error) {
	if data == nil {
		data = json.RawMessage("null")
	}
	body, err := marshal(map[string]any{
		"seq": e.Seq, "at": e.At.UTC().Format(time.RFC3339Nano), "kind": e.Kind,
		"target": e.Target, "account": e.Account, "request": e.Request, "data": data,
	})
	if err != nil {
		return "", fmt.Errorf("event %d: %w", e.Seq, err)
	}
	h := sha256.New()
	h.Write([]byte(e.Prev))
	h.Write([]byte{'\n'})
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// VerifyEvents checks that events continue a chain that ends at (seq, hash), and
// returns its new end. Start with (0, "").
func VerifyEvents(seq int64, hash string, events []Event) (int64, string, error) {
	for _, e := range events {
		sum, err := e.Sum()
		switch {
		case err != nil:
			return seq, hash, &ChainError{seq + 1, err.Error()}
		case e.Seq != seq+1:
			return seq, hash, &ChainError{seq + 1, fmt.Sprintf("entry is missing, the next one is %d", e.Seq)}
		case e.Prev != hash:
			return seq, hash, &ChainError{e.Seq, "it does not continue the entry before"}
		case e.Hash != sum:
			return seq, hash, &ChainError{e.Seq, "its content is not what was hashed"}
		}
		seq, hash = e.Seq, e.Hash
	}
	return seq, hash, nil
}

// Verify walks the whole chain and compares its end with the head. It returns a
// *ChainError that names the first entry that is not as it was written.
func (l *Ledger) Verify(ctx context.Context) error {
	return named("verify", l.db.View(ctx, func(r Reader) error {
		var endSeq int64
		var endHash string
		if err := one(ctx, r, `SELECT seq, hash FROM head WHERE id = 1`, nil, &endSeq, &endHash); err != nil {
			return err
		}
		const page = 2000
		var seq int64
		var hash string
		for {
			events, err := selectEvents(ctx, r, Filter{AfterSeq: seq, Limit: page})
			if err != nil {
				return err
			}
			if seq, hash, err = VerifyEvents(seq, hash, events); err != nil {
				return err
			}
			if len(events) < page {
				break
			}
		}
		if seq < endSeq {
			return &ChainError{seq + 1, fmt.Sprintf("entry is missing, the head says that there are %d", endSeq)}
		}
		if seq > endSeq || hash != endHash {
			return &ChainError{seq, "the head of the ledger does not match the last entry"}
		}
		return nil
	}))
}

// canonical returns JSON with sorted keys and no spaces; numbers keep their
// digits. Nothing stays nothing.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	if len(bytes.TrimSpace(raw)) == 0 || string(raw) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("event data is not JSON: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("event data is more than one JSON value")
	}
	return marshal(v)
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
