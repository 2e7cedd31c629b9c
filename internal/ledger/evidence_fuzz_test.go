// What the copy of the chain promises is tested here, where no driver is linked in: a
// fuzz test compiles all that it links with anew, and SQLite takes minutes.

package ledger_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/evidence"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// chain writes a log as Append does: two events of which the second follows the
// first. Texts are such as the ledger stores.
func chain(t testing.TB, kind, account string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	prev := ""
	for seq := int64(1); seq <= 2; seq++ {
		e := ledger.Event{
			Seq: seq, At: time.Date(2026, 11, 23, 12, 0, int(seq), 0, time.UTC), Kind: strings.ToValidUTF8(kind, "\uFFFD"),
			Target: "orders-db", Account: strings.ToValidUTF8(account, "\uFFFD"), Prev: prev,
		}
		if json.Valid(data) {
			e.Data = data
		}
		sum, err := e.Sum()
		if err != nil {
			t.Skip(err)
		}
		e.Hash, prev = sum, sum
		line, err := json.Marshal(e)
		if err != nil {
			t.Skip(err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes()
}

// FuzzChangedLog holds that a log verifies as it was written, and that any change of
// any byte of it is noticed.
func FuzzChangedLog(f *testing.F) {
	f.Add("grant.done", "alice", []byte(`{"reason":"<&>","n":[1.50,null]}`), 30, byte('x'))
	f.Add("request.judged", "a\nb\u2028", []byte(`null`), 1, byte('S')) // SEQ, which Go reads as seq
	f.Add("", "", []byte(``), 0, byte(' '))
	f.Add("revoke.verified", "é", []byte(`"\ud800"`), 200, byte('\n'))
	f.Fuzz(func(t *testing.T, kind, account string, data []byte, at int, to byte) {
		log := chain(t, kind, account, data)
		if n, err := evidence.Verify(bytes.NewReader(log)); err != nil || n != 2 {
			t.Fatalf("as it was written: %d, %v\n%s", n, err, log)
		}
		changed := bytes.Clone(log)
		changed[uint(at)%uint(len(log))] = to
		if bytes.Equal(bytes.TrimRight(changed, "\r\n"), bytes.TrimRight(log, "\r\n")) {
			return
		}
		if n, err := evidence.Verify(bytes.NewReader(changed)); err == nil {
			t.Fatalf("a changed log passes with %d entries:\n%s\nwritten was:\n%s", n, changed, log)
		}
	})
}

// FuzzVerify holds that whatever passes is, byte for byte, what an honest ledger
// would have written: no line says more to another reader than was hashed.
func FuzzVerify(f *testing.F) {
	log := chain(f, "grant.done", "alice", []byte(`{"a":1}`))
	f.Add(log)
	f.Add(log[:len(log)-1])
	f.Add(bytes.Replace(log, []byte(`{"seq"`), []byte(`{"note":"nobody hashed this","seq"`), 1))
	f.Add(bytes.Replace(log, []byte(`"account":"alice"`), []byte(`"account":"mallory","account":"alice"`), 1))
	f.Add(bytes.Replace(log, []byte(`"kind"`), []byte(`"KIND"`), 1))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		n, err := evidence.Verify(bytes.NewReader(log))
		if err != nil {
			return
		}
		var again bytes.Buffer
		lines := bytes.Split(bytes.TrimRight(log, "\r\n"), []byte("\n"))
		for _, line := range lines {
			var e ledger.Event
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			out, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			again.Write(append(out, '\n'))
		}
		want := bytes.TrimSuffix(again.Bytes(), []byte("\n"))
		if got := bytes.ReplaceAll(bytes.TrimRight(log, "\r\n"), []byte("\r\n"), []byte("\n")); n > 0 && !bytes.Equal(got, want) {
			t.Fatalf("%d entries pass as\n%s\nwritten would be\n%s", n, got, want)
		}
	})
}
