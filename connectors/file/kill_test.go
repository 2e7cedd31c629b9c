package file

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// killFormats are one of each way to keep what is ours: block, rows, hash.
var killFormats = map[string]connectors.Settings{
	"htgroup":  {"format": "htgroup", "reload": []any{"/bin/true"}},
	"csv":      {"format": "csv"},
	"template": {"template": ini, "reload": []any{"/bin/true"}},
}

// killActs grants or revokes the same twenty accounts.
func killActs(revoke bool) (acts []connectors.Act) {
	for i := range 20 {
		acts = append(acts, connectors.Act{Grant: gr("ops", fmt.Sprintf("user%02d", i)), Revoke: revoke})
	}
	return acts
}

// A writer that is killed at any moment leaves the whole batch or nothing of it, and
// a file that the next one can go on with.
func TestAKilledWriterLeavesTheOldFileOrTheNewOne(t *testing.T) {
	const path, format = "FILE_KILL_PATH", "FILE_KILL_FORMAT"
	if p := os.Getenv(path); p != "" {
		s := killFormats[os.Getenv(format)]
		s["path"] = p
		c, err := open("t", s)
		ok(t, err)
		fmt.Println("writing")
		for revoke := false; ; revoke = !revoke {
			for _, err := range c.Apply(t.Context(), killActs(revoke)) {
				ok(t, err)
			}
		}
	}
	for name, settings := range killFormats {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, settings)
			for i := range 6 {
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAKilledWriterLeavesTheOldFileOrTheNewOne$")
				cmd.Env = append(os.Environ(), path+"="+b.path, format+"="+name)
				out, err := cmd.StdoutPipe()
				ok(t, err)
				ok(t, cmd.Start())
				if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "writing\n" {
					t.Fatalf("%q, %v", line, err)
				}
				<-time.After(time.Duration(i*i) * 900 * time.Microsecond) // the moment is the variable
				ok(t, cmd.Process.Kill())
				_ = cmd.Wait()

				if n := len(strings.Fields(b.held("ops"))); n != 0 && n != 20 {
					t.Fatalf("after kill %d: %s", i, b.held("ops"))
				}
				b.reopen()
				batch, _ := connectors.AsBatcher(b.c)
				for _, revoke := range []bool{false, true} {
					for _, err := range batch.Apply(t.Context(), killActs(revoke)) {
						ok(t, err)
					}
				}
				if got := b.held("ops"); got != "" {
					t.Fatalf("left after a full round: %s", got)
				}
			}
			entries, err := os.ReadDir(filepath.Dir(b.path))
			ok(t, err)
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".tmp") {
					t.Errorf("left behind: %s", e.Name())
				}
			}
		})
	}
}
