package postgres_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tenure-dev/tenure/internal/ledger/open"
	"github.com/tenure-dev/tenure/internal/ledger/postgres"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// pooler lends its sessions to its clients for one transaction at a time.
type pooler struct {
	t        *testing.T
	sessions chan *pgconn.HijackedConn
	wg       sync.WaitGroup
}

// startPooler returns the address of a pooler with that many sessions.
func startPooler(t *testing.T, url string, sessions int) string {
	t.Helper()
	p := &pooler{t: t, sessions: make(chan *pgconn.HijackedConn, sessions)}
	for range sessions {
		c, err := pgconn.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		h, err := c.Hijack()
		if err != nil {
			t.Fatal(err)
		}
		p.sessions <- h
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.wg.Wait()
		for range sessions {
			_ = (<-p.sessions).Conn.Close()
		}
	})
	return l.Addr().String()
}

func (p *pooler) serve(c net.Conn) {
	defer c.Close()
	client := pgproto3.NewBackend(c, c)
	if _, err := client.ReceiveStartupMessage(); err != nil {
		return
	}
	client.Send(&pgproto3.AuthenticationOk{})
	for k, v := range map[string]string{"client_encoding": "UTF8", "standard_conforming_strings": "on", "server_version": "15.0"} {
		client.Send(&pgproto3.ParameterStatus{Name: k, Value: v})
	}
	client.Send(&pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte{0, 0, 0, 7}})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if client.Flush() != nil {
		return
	}
	var session *pgconn.HijackedConn
	for {
		m, err := client.Receive()
		if _, bye := m.(*pgproto3.Terminate); err != nil || bye {
			if session != nil {
				p.sessions <- session
			}
			return
		}
		if session == nil {
			session = <-p.sessions
		}
		session.Frontend.Send(m)
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			if p.answer(client, session) == 'I' {
				p.sessions <- session
				session = nil
			}
		}
	}
}

// answer forwards the server's messages until it is ready again.
func (p *pooler) answer(client *pgproto3.Backend, session *pgconn.HijackedConn) byte {
	if err := session.Frontend.Flush(); err != nil {
		p.t.Error(err)
		return 'I'
	}
	for {
		m, err := session.Frontend.Receive()
		if err != nil {
			p.t.Error(err)
			return 'I'
		}
		client.Send(m)
		if ready, ok := m.(*pgproto3.ReadyForQuery); ok {
			if err := client.Flush(); err != nil {
				p.t.Log(err)
			}
			return ready.TxStatus
		}
	}
}

func TestTransactionPoolerIsRefused(t *testing.T) {
	s := pgtest.Start(t)
	url := s.CreateDatabase(t, "ledger")
	direct := strings.TrimPrefix(url, "postgres://postgres@")
	direct, _, _ = strings.Cut(direct, "/")
	for sessions := 1; sessions <= 4; sessions++ {
		pooled := strings.Replace(url, direct, startPooler(t, url, sessions), 1)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		l, err := open.Open(ctx, pooled, time.Now)
		cancel()
		if err == nil {
			t.Errorf("%d sessions: a ledger was opened through a transaction pooler", sessions)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if !strings.Contains(err.Error(), "direct connection") {
			t.Errorf("%d sessions: %v", sessions, err)
		}
	}
	l, err := postgres.Open(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Check(t.Context()); err != nil {
		t.Errorf("a direct connection: %v", err)
	}
}
