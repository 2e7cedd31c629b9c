// Package demo plays Tenure's whole story on one machine: a forge in this
// process that serves real Git over HTTP, an access repository, the reconciler
// with its ledger, and targets that are real files (and a real PostgreSQL, when
// one is given). It uses the same parts as production and fakes none of them.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/examples"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/reconcile"
	"github.com/tenure-dev/tenure/schema"
)

// Options say how the story is played.
type Options struct {
	Out      io.Writer
	Log      io.Writer // the reconciler's own log; nil: a file in Dir
	Dir      string    // empty: a new temporary directory
	Listen   string    // of the forge; empty: a free port on the loopback interface
	Postgres string    // DSN of an administrator; empty: file targets only
	Window   time.Duration
	Pace     time.Duration // pause between two steps
	Once     bool          // end after the story
	Registry *connectors.Registry
	Version  string
	Program  string                                          // how the reader starts the reconciler; empty: reconciler
	Validate func(dir string) (problems []string, err error) // what `reconciler validate` does
}

// The one repository of the demo, and its cast.
const (
	repoName = "acme/access"
	botLogin = "tenure-bot"
)

// Demo is the stage.
type Demo struct {
	o       Options
	hub     *minihub.Hub
	base    string            // http://127.0.0.1:port
	tokens  map[string]string // by login
	people  map[string]*schema.Person
	daemon  *daemon.Daemon
	cfgFile string
	log     io.Closer // of the reconciler; nil: the caller's
	db      *database // nil without PostgreSQL
}

// Run plays the story. With Once it returns nil only if every step was seen;
// otherwise it stays up until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	if o.Program == "" {
		o.Program = "reconciler"
	}
	d := &Demo{o: o, tokens: map[string]string{}, people: map[string]*schema.Person{}}
	if d.o.Dir != "" {
		if d.o.Dir, err = emptyDir(d.o.Dir); err != nil {
			return err
		}
	} else {
		if d.o.Dir, err = os.MkdirTemp("", "tenure-demo-"); err != nil {
			return err
		}
		if o.Once {
			defer os.RemoveAll(d.o.Dir)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	stop, err := d.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	from, err := d.repository()
	if err != nil {
		return err
	}
	if o.Postgres != "" {
		if d.db, err = prepareDatabase(ctx, o.Postgres); err != nil {
			return err
		}
		defer d.db.close()
	}
	if err := d.configure(from); err != nil {
		return err
	}
	var wg sync.WaitGroup
	if err := d.start(ctx, &wg); err != nil {
		return err
	}
	defer func() {
		cancel()
		wg.Wait()
		err = errors.Join(err, d.daemon.Close())
		if d.log != nil {
			err = errors.Join(err, d.log.Close())
		}
	}()
	d.welcome()
	switch err := d.story(ctx); {
	case err != nil && ctx.Err() != nil:
		err = errors.New("the story was interrupted")
		if o.Once {
			return err
		}
		d.stopped()
		return nil
	case err != nil:
		return fmt.Errorf("the story was not played to its end: %w", err)
	case o.Once:
		return nil
	}
	d.goodbye()
	<-ctx.Done()
	d.stopped()
	return nil
}

// emptyDir makes a directory. One that holds anything is refused: the story starts
// from nothing, and what is there may be somebody's.
func emptyDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("--dir: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("--dir: %w", err)
	}
	if len(there) > 0 {
		return "", fmt.Errorf("--dir %s is not empty; name a new directory", dir)
	}
	return dir, nil
}

// serve starts the forge.
func (d *Demo) serve(ctx context.Context) (stop func() error, err error) {
	listen := d.o.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("--listen %q: the demo's forge has no passwords and listens on the loopback interface only, such as 127.0.0.1:8484", listen)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	d.base = "http://" + ln.Addr().String()
	if d.hub, err = minihub.New(minihub.Options{Dir: filepath.Join(d.o.Dir, "forge"), BaseURL: d.base}); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	srv := &http.Server{Handler: d.hub.Handler(), ReadHeaderTimeout: 5 * time.Second}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ln) })
	return func() error {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := srv.Shutdown(stop)
		if err != nil {
			err = srv.Close()
		}
		wg.Wait()
		return errors.Join(err, d.hub.Close())
	}, nil
}

// repository fills the forge: an account for everybody, a bot, and the example
// access repository without its requests, which the story brings.
func (d *Demo) repository() (head string, err error) {
	tree := schema.LoadFS(examples.AccessRepo())
	d.people = tree.People
	if _, err := d.hub.CreateRepo(repoName); err != nil {
		return "", err
	}
	for _, p := range tree.People {
		a, ok := p.Forge["github"]
		if !ok {
			continue
		}
		d.tokens[a.Login] = d.hub.AddUserID(a.Login, a.ID).Token
		if err := d.hub.SetPermission(repoName, a.Login, minihub.Write); err != nil {
			return "", err
		}
	}
	d.tokens[botLogin] = d.hub.AddBot(botLogin).Token
	admin := d.login("olivia")
	for login, p := range map[string]minihub.Permission{botLogin: minihub.Write, admin: minihub.Admin} {
		if err := d.hub.SetPermission(repoName, login, p); err != nil {
			return "", err
		}
	}
	write := map[string]string{}
	err = fs.WalkDir(examples.AccessRepo(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if path == "requests" {
				return fs.SkipDir
			}
			return nil
		}
		text, err := fs.ReadFile(examples.AccessRepo(), path)
		write[path] = string(text)
		return err
	})
	if err != nil {
		return "", err
	}
	if head, err = d.hub.Push(repoName, minihub.Commit{By: admin, Message: "Start the access repository", Write: write}); err != nil {
		return "", err
	}
	return head, d.hub.ProtectBranch(repoName, "main", minihub.Protection{Approvals: 1, AllowBypass: true})
}

func (d *Demo) login(person string) string { return d.people[person].Forge["github"].Login }

// configure writes the reconciler's configuration, as an operator would.
func (d *Demo) configure(from string) error {
	token := filepath.Join(d.o.Dir, "forge-token")
	if err := os.WriteFile(token, []byte(d.tokens[botLogin]), 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d.o.Dir, "targets"), 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf(`repository: {url: %[1]s/%[2]s.git, branch: main}
trust: {from: %[3]s, group: admins, count: 1}
forge: {type: github, baseURL: %[1]s/api/v3/, tokenFile: %[4]s}
poll: 1s
resync: "@every 10s"
ledger: sqlite://%[5]s/ledger.db
stateDir: %[5]s/state
reverts: {group: 1s, merge: manual}
evidence: {file: %[5]s/evidence.jsonl}
listen: ""
targets:
  bastion-sudo:
    connector: file
    path: %[5]s/targets/sudoers
    format: sudoers
    rules:
      ops: "ALL=(root) NOPASSWD: /usr/bin/systemctl"
      dba: "ALL=(postgres) NOPASSWD: /usr/bin/psql"
      read-logs: "ALL=(root) NOPASSWD: /usr/bin/journalctl"
  wiki-admins: {connector: file, path: %[5]s/targets/wiki-groups, format: htgroup}
`, d.base, repoName, from, token, d.o.Dir)
	if d.db != nil {
		dsn := filepath.Join(d.o.Dir, "postgres-dsn")
		if err := os.WriteFile(dsn, []byte(d.o.Postgres), 0o600); err != nil {
			return err
		}
		text += fmt.Sprintf("  orders-db: {connector: postgres, dsnFile: %s}\n", dsn)
	}
	d.cfgFile = filepath.Join(d.o.Dir, "reconciler.yaml")
	return os.WriteFile(d.cfgFile, []byte(text), 0o600)
}

// start runs the reconciler on that configuration.
func (d *Demo) start(ctx context.Context, wg *sync.WaitGroup) error {
	cfg, err := config.Load(d.cfgFile, os.LookupEnv)
	if err != nil {
		return fmt.Errorf("the demo's own configuration: %w", err)
	}
	out := d.o.Log
	if out == nil {
		f, err := os.OpenFile(filepath.Join(d.o.Dir, "reconciler.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		out, d.log = f, f
	}
	d.daemon, err = daemon.Open(ctx, cfg, daemon.Options{
		Registry: d.o.Registry, Clock: reconcile.NewSystemClock(), Version: d.o.Version,
		Log: slog.New(slog.NewTextHandler(out, nil)),
	})
	if err != nil {
		return err
	}
	wg.Go(func() {
		if err := d.daemon.Run(ctx); err != nil {
			fmt.Fprintln(d.o.Out, "the reconciler stopped:", err)
		}
	})
	return nil
}
