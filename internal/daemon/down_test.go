package daemon

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

func TestBrokenTargetDoesNotKeepTheOthersFromEnding(t *testing.T) {
	w := newWorld(t)
	there, away := filepath.Join(w.dir, broken), filepath.Join(w.dir, "away")
	w.must(os.Rename(there, away))
	d := w.run()
	w.eventually("the end on the other target", func() bool { return !w.held(good) && w.over(d, good) })
	if log := w.log.String(); !strings.Contains(log, `msg="a target cannot be opened`) || !strings.Contains(log, "target="+broken) {
		t.Errorf("the log does not tell of the broken target:\n%s", log)
	}
	if page := metrics(t, d); !strings.Contains(page, `tenure_failures_total{act="open",target="`+broken+`"}`) {
		t.Errorf("the failure to open is not counted:\n%s", page)
	}
	holds, err := d.Ledger.Holds(t.Context(), broken)
	w.must(err)
	if len(holds) != 1 {
		t.Fatalf("holds on the broken target: %+v", holds)
	}

	w.must(os.Rename(away, there)) // somebody mounts the directory again
	w.eventually("the end on the target that came back", func() bool { return !w.held(broken) && w.over(d, broken) })
	w.eventually("the end of the request", func() bool {
		rows, err := d.Ledger.RequestByPath(t.Context(), "requests/alice.yaml")
		w.must(err)
		return len(rows) == 1 && !rows[0].EndedAt.IsZero()
	})
}

func TestTargetWithWrongSettingsDoesNotKeepTheOthersFromEnding(t *testing.T) {
	w := newWorld(t)
	w.cfg.Targets[broken].Settings["format"] = "scroll"
	d := w.run()
	w.eventually("the end on the other target", func() bool { return w.over(d, good) })
	if !w.held(broken) {
		t.Error("the broken target was written to")
	}
	// Doctor and plan say so at once.
	open, err := OpenTargets(t.Context(), w.cfg, w.reg)
	if err == nil || !strings.Contains(err.Error(), "target "+broken) || open[good] == nil {
		t.Errorf("opening strictly: %v", err)
	}
}

func TestUnknownConnectorsFailTheStartAllAtOnce(t *testing.T) {
	w := newWorld(t)
	w.cfg.Targets["orders"] = config.Target{Connector: "fiel"}
	w.cfg.Targets["billing"] = config.Target{Connector: "abacus"}
	_, err := Open(t.Context(), w.cfg, Options{Registry: w.reg, Clock: w.clk, Log: discard, Version: "test"})
	if err == nil || !strings.Contains(err.Error(), "target orders") || !strings.Contains(err.Error(), "target billing") {
		t.Fatalf("started: %v", err)
	}
	if !w.held(good) {
		t.Error("it acted before it refused")
	}
}

func TestHoldsOnATargetThatIsNotConfiguredFailTheStart(t *testing.T) {
	w := newWorld(t)
	delete(w.cfg.Targets, broken)
	_, err := Open(t.Context(), w.cfg, Options{Registry: w.reg, Clock: w.clk, Log: discard, Version: "test"})
	if err == nil || !strings.Contains(err.Error(), broken) {
		t.Fatalf("started: %v", err)
	}
}

func TestAccessEndsWithoutTheForgesKey(t *testing.T) {
	for name, spoil := range map[string]func(*world, string) error{
		"missing":   func(_ *world, key string) error { return os.Remove(key) },
		"not a key": func(*world, string) error { return nil },
		"no directory for the copy": func(w *world, key string) error {
			w.cfg.StateDir = filepath.Join(key, "below-a-file")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			key := filepath.Join(w.dir, "app.pem")
			w.must(spoil(w, key))
			d := w.run()
			w.eventually("the ends", func() bool { return w.over(d, good) && w.over(d, broken) })
			if w.held(good) || w.held(broken) {
				t.Error("the ledger says that access is over, and it is not")
			}
			for what, err := range map[string]error{
				"revert": d.sideEffects()[reconcile.JobRevert](t.Context(), json.RawMessage(`{"key":"k"}`)),
				"tend":   d.Tend(t.Context()),
				"time":   second(d.forgeTime(t.Context())),
			} {
				if !errors.Is(err, errNoForge) {
					t.Errorf("%s without the forge's client: %v", what, err)
				}
			}
			if !strings.Contains(w.log.String(), "Git and the forge cannot be used yet") {
				t.Errorf("the log does not say it:\n%s", w.log)
			}

			w.must(os.WriteFile(key, privateKey(t), 0o600)) // the operator puts it there
			w.eventually("the forge's client", func() bool { return d.forge.Load() != nil })
			if err := d.Tend(t.Context()); err != nil {
				t.Errorf("no revert pull request is open, so there is nothing to ask: %v", err)
			}
		})
	}
}

func TestOnePassEndsAccessAndReturnsWhatIsDown(t *testing.T) {
	w := newWorld(t)
	there, away := filepath.Join(w.dir, broken), filepath.Join(w.dir, "away")
	w.must(os.Rename(there, away))
	d := w.open()
	err := d.Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), "private key") || !strings.Contains(err.Error(), "cannot be opened") {
		t.Errorf("one pass: %v", err)
	}
	if !w.over(d, good) {
		t.Error("the target that works was not served")
	}
	if d.confirmCommit(t.Context(), strings.Repeat("b", 40)) {
		t.Error("a commit was confirmed that nobody can look at")
	}
}

func TestAccessEndsWhileTheListenersPortIsTaken(t *testing.T) {
	w := newWorld(t)
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	w.must(err)
	defer taken.Close()
	w.cfg.Listen = taken.Addr().String()
	d := w.run()
	w.eventually("the ends", func() bool { return w.over(d, good) && w.over(d, broken) })
	w.eventually("the error", func() bool { return strings.Contains(w.log.String(), "address already in use") })

	w.must(taken.Close())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	w.eventually("the page", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+w.cfg.Listen+"/healthz", nil)
		w.must(err)
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, res.Body)
		w.must(res.Body.Close())
		return res.StatusCode == http.StatusOK
	})
}

func metrics(t *testing.T, d *Daemon) string {
	t.Helper()
	page := httptest.NewRecorder()
	d.Metrics.Handler().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return page.Body.String()
}

func second[T any](_ T, err error) error { return err }

func privateKey(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}
