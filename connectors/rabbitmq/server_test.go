//go:build unix

package rabbitmq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker is a RabbitMQ of its own, with an epmd of its own, in a temporary directory.
type broker struct {
	*testserver.Server
	api, amqp string // addresses
	env       []string
}

var people = []string{"alice", "bob", "carol", "dave"}

// start starts a broker with the accounts and virtual hosts of the tests. It takes
// seconds: the tests of this package share one.
func start(t *testing.T) *broker {
	erl := testserver.Find(t, "erl", "erlang-base")
	epmd := testserver.Find(t, "epmd", "erlang-base")
	ctl := testserver.Find(t, "rabbitmqctl", "rabbitmq-server")
	server := ""
	for _, dir := range []string{"/usr/lib/rabbitmq/bin", filepath.Dir(ctl)} { // Debian's own in PATH changes the user
		if p := filepath.Join(dir, "rabbitmq-server"); server == "" {
			if _, err := os.Stat(p); err == nil {
				server = p
			}
		}
	}
	dir, err := os.MkdirTemp("", "rabbit-") // the Erlang machine wants short paths
	ok(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var errs []error
	for range 3 { // somebody else may take a port before the broker does
		b := &broker{api: testserver.Address(t), amqp: testserver.Address(t)}
		mapper, dist := testserver.Address(t), testserver.Address(t)
		b.env = append(os.Environ(),
			"HOME="+dir, "RABBITMQ_NODENAME=tenure@localhost", "RABBITMQ_MNESIA_BASE="+dir+"/mnesia", "RABBITMQ_LOG_BASE="+dir+"/log",
			"RABBITMQ_ENABLED_PLUGINS_FILE="+dir+"/plugins", "RABBITMQ_CONFIG_FILE="+dir+"/rabbitmq.conf", "RABBITMQ_CONF_ENV_FILE=/dev/null",
			"RABBITMQ_DIST_PORT="+port(dist), "ERL_EPMD_PORT="+port(mapper), "ERL_EPMD_ADDRESS=127.0.0.1",
			"RABBITMQ_ALLOW_INPUT=1", // the machine itself is our child, with no script around it
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} -noinput",
			"RABBITMQ_SERVER_ERL_ARGS=+S 1:1 +sbwt none +A 2", // a machine that is shared: a third of the time
			"PATH="+filepath.Dir(erl)+":"+os.Getenv("PATH"),
		)
		conf := fmt.Sprintf("listeners.tcp.1 = %s\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\nloopback_users = none\n", b.amqp, port(b.api))
		ok(t, os.WriteFile(dir+"/rabbitmq.conf", []byte(conf), 0o600))
		ok(t, os.WriteFile(dir+"/plugins", []byte("[rabbitmq_management]."), 0o600))
		testserver.Start(t, testserver.Program{Path: epmd, Args: []string{"-port", port(mapper)}, Env: b.env, Dir: dir, Ready: testserver.Dial(mapper)})
		b.Server, err = testserver.Try(t, testserver.Program{Path: server, Env: b.env, Dir: dir, Ready: func(ctx context.Context) error {
			return errors.Join(b.try(ctx, "GET", "/whoami", nil, nil), testserver.Dial(b.amqp)(ctx))
		}})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, vhost := range []string{"shop", "back/office"} {
			b.do(t, "PUT", path("vhosts", vhost), nil, nil)
		}
		for _, name := range append([]string{"weak"}, people...) {
			b.do(t, "PUT", path("users", name), map[string]string{"password": "pw-" + name, "tags": ""}, nil)
		}
		b.do(t, "PUT", path("users", "weak"), map[string]string{"password": "pw-weak", "tags": "management"}, nil)
		for _, line := range rights(t) {
			words := strings.Fields(line)
			cmd := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(server), words[0]), words[1:]...)
			cmd.Env = b.env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
		}
		return b
	}
	t.Fatal(errors.Join(errs...))
	return nil
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// rights returns the commands that the documentation gives for the reconciler's own
// account, so that every test runs with exactly these.
func rights(t testing.TB) []string {
	text, err := os.ReadFile("../../docs/connectors/rabbitmq.md")
	ok(t, err)
	_, block, found := strings.Cut(string(text), "```sh rabbitmqctl\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the documentation has no commands for the rights")
	}
	return strings.Split(strings.TrimSpace(block), "\n")
}

// try asks the broker's API as its first administrator, apart from the connector.
func (b *broker) try(ctx context.Context, method, path string, body, into any) error {
	return b.as(ctx, "guest", "guest", method, path, body, into)
}

func (b *broker) as(ctx context.Context, user, password, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		text = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.api+"/api"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.SetBasicAuth(user, password)
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode < 200 || res.StatusCode > 299) {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(answer, into)
	}
	return err
}

func (b *broker) do(t testing.TB, method, path string, body, into any) {
	t.Helper()
	// Also in a cleanup, where the test's own context is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	ok(t, b.try(ctx, method, path, body, into))
}

// set writes a whole permission by hand.
func (b *broker) set(t testing.TB, vhost, name, configure, write, read string) {
	t.Helper()
	b.do(t, "PUT", path("permissions", vhost, name), map[string]string{"configure": configure, "write": write, "read": read}, nil)
}

// see returns a permission as configure, write and read; nil: there is none.
func (b *broker) see(t testing.TB, vhost, name string) []string {
	t.Helper()
	var list []row
	b.do(t, "GET", path("users", name, "permissions"), nil, &list)
	for _, r := range list {
		if r.VHost == vhost {
			return []string{r.Configure, r.Write, r.Read}
		}
	}
	return nil
}

// clear takes all permissions of an account in a virtual host away.
func (b *broker) clear(t testing.TB, vhost, name string) {
	t.Helper()
	if b.see(t, vhost, name) != nil {
		b.do(t, "DELETE", path("permissions", vhost, name), nil, nil)
	}
}

func (b *broker) open(t testing.TB, more connectors.Settings) *connector {
	t.Helper()
	set := connectors.Settings{"url": "http://" + b.api, "user": "tenure", "password": "change-me"}
	for k, v := range more {
		set[k] = v
	}
	c, err := Driver{}.Open(t.Context(), "mq", set)
	ok(t, err)
	return c.(*connector)
}

func (b *broker) opened(t testing.TB, more connectors.Settings) *connector {
	c := b.open(t, more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dial opens a person's connection to a virtual host.
func (b *broker) dial(t testing.TB, name, password, vhost string) *amqp.Connection {
	t.Helper()
	c, err := amqp.DialConfig("amqp://"+b.amqp, amqp.Config{
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: name, Password: password}}, Vhost: vhost, Heartbeat: 10 * time.Second, Locale: "en_US",
	})
	ok(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func channel(t testing.TB, c *amqp.Connection) *amqp.Channel {
	t.Helper()
	ch, err := c.Channel()
	ok(t, err)
	return ch
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func says(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func has(t testing.TB, c connectors.Connector, g grants.Grant) bool {
	t.Helper()
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	for _, f := range found {
		if f == g {
			return true
		}
	}
	return false
}
