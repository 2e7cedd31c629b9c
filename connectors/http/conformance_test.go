package http

import (
	"fmt"
	"net"
	nethttp "net/http"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = strings.Repeat("k3y-", 8)

// server is the example plug-in behind an address.
type server struct {
	file, url string
	port      int
	cmd       *osexec.Cmd
}

func serve(t testing.TB, file string) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{file: file, port: l.Addr().(*net.TCPAddr).Port}
	_ = l.Close()
	s.url = fmt.Sprintf("http://127.0.0.1:%d/tenure", s.port)
	s.start(t)
	t.Cleanup(func() { s.kill(t) })
	return s
}

func (s *server) start(t testing.TB) {
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = osexec.Command(plugintest.Python(t), "-I", "-S", plugintest.Script(t), s.file, "--listen", strconv.Itoa(s.port), keyFile)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *server) kill(testing.TB) {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) settings() connectors.Settings {
	return connectors.Settings{"url": s.url, "key": key, "abilities": []any{"sessions", "expiry"}}
}

func TestConformance(t *testing.T) {
	wiki := plugintest.New(t)
	at := serve(t, wiki.File)
	s := wiki.Subject("t", Driver{})
	s.Open = func(t testing.TB) connectors.Connector { return open(t, at.settings()) }
	s.Kill, s.Restart = at.kill, at.start
	s.Weak = func(t testing.TB) (connectors.Connector, []string) {
		return open(t, serve(t, "/nonexistent/wiki.json").settings()), []string{"missing right", "/nonexistent/wiki.json"}
	}
	conformance.Run(t, s)
}

func TestTheExampleRefusesWhatIsNotSignedOldOrSeen(t *testing.T) {
	wiki := plugintest.New(t)
	at := serve(t, wiki.File)
	post := func(path string, when time.Time, body, signature string) int {
		r, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodPost, strings.TrimSuffix(at.url, "/tenure")+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(headerTime, strconv.FormatInt(when.Unix(), 10))
		r.Header.Set(headerSignature, signature)
		resp, err := nethttp.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		defer nethttp.DefaultClient.CloseIdleConnections()
		return resp.StatusCode
	}
	message := func(id string) string {
		return `{"protocol":"tenure.plugin/v1","id":"` + id + `","target":"t","call":"hello"}`
	}
	signed := func(when time.Time, body string) string {
		return signRequest([]byte(key), "POST", "/tenure", when, []byte(body))
	}
	now := time.Now()
	one := message("0123456789abcdef-1")
	if got := post("/tenure", now, one, signed(now, one)); got != 200 {
		t.Fatalf("a good request: %d", got)
	}
	two := message("0123456789abcdef-2")
	for name, got := range map[string]int{
		"the same again":     post("/tenure", now, one, signed(now, one)),
		"no signature":       post("/tenure", now, two, ""),
		"another body":       post("/tenure", now, two, signed(now, one)),
		"another path":       post("/other", now, two, signed(now, two)),
		"another time":       post("/tenure", now.Add(time.Second), two, signed(now, two)),
		"from the last life": post("/tenure", now.Add(-50*time.Second), two, signed(now.Add(-50*time.Second), two)),
		"from the future":    post("/tenure", now.Add(5*time.Minute), two, signed(now.Add(5*time.Minute), two)),
	} {
		if got != 401 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := post("/tenure", now, two, signed(now, two)); got != 200 {
		t.Errorf("a refused request used up its id: %d", got)
	}
}

func open(t testing.TB, s connectors.Settings) connectors.Connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "t", s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
