package pulls

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/reconcile"
	"github.com/tenure-dev/tenure/schema"
)

// Use is one use of break-glass, as the ledger keeps it. There is one a pull
// request, ever: a push, a reopening or a merge never makes another.
type Use struct {
	Pull     int       `json:"pull"`
	URL      string    `json:"url"`
	Path     string    `json:"path"`
	Blob     string    `json:"blob"`
	Head     string    `json:"head"` // that the access was given for
	Subject  string    `json:"subject"`
	Roles    []string  `json:"roles"`
	Text     string    `json:"text"` // of the file, as it was
	ReviewBy time.Time `json:"reviewBy"`

	ReviewedAt time.Time `json:"reviewedAt,omitzero"` // when the review was seen; zero: still due
	Reviewers  []string  `json:"reviewers,omitempty"`
	EndedBy    string    `json:"endedBy,omitempty"` // what ended it before its window closed
	Reminded   bool      `json:"reminded,omitempty"`
}

// Decode reads a use from its row.
func Decode(row ledger.Request) (Use, error) {
	var u Use
	if err := json.Unmarshal(row.Body, &u); err != nil {
		return u, fmt.Errorf("emergency %s: %w", row.ID, err)
	}
	return u, nil
}

// Window returns the window that a use's decision gives.
func Window(d grants.Decision) grants.Window {
	if len(d.Terms) == 0 {
		return grants.Window{}
	}
	return d.Terms[0].Span
}

// use is a row with its body.
type use struct {
	row ledger.Request
	Use
}

// over reports whether nothing is in force any more at t.
func (u *use) over(t time.Time) bool { return !t.Before(u.row.Decision.Ends()) }

// request is the request as it stood in the file.
func (u *use) request() *schema.AccessRequest {
	return changed{doc: schema.ParseFile(u.Path, []byte(u.Text))}.request()
}

// load reads the uses that are running or wait for their review.
func (p *pass) load(ctx context.Context) error {
	rows, err := p.cfg.Ledger.Emergencies(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		p.had[row.Pull] = true
		if !row.Live {
			continue
		}
		u, err := Decode(row)
		if err != nil {
			return err
		}
		p.uses = append(p.uses, &use{row, u})
	}
	return nil
}

// find returns the use of a pull request that is still of interest, or nil.
func (p *pass) find(pull int) *use {
	for _, u := range p.uses {
		if u.Pull == pull {
			return u
		}
	}
	return nil
}

// unreviewed lists the uses whose review is due, but for that of one pull request.
func (p *pass) unreviewed(but int) []policy.Use {
	var out []policy.Use
	for _, u := range p.uses {
		if u.Pull == but || !u.ReviewedAt.IsZero() {
			continue
		}
		for _, role := range u.Roles {
			out = append(out, policy.Use{Pull: u.Pull, Subject: u.Subject, Role: role})
		}
	}
	return out
}

// others are the decisions that rules across requests look at.
func (p *pass) others(but int) []grants.Decision {
	out := slices.Clone(p.present.Held)
	for _, u := range p.uses {
		if u.Pull != but && !u.over(p.cfg.Now()) {
			out = append(out, u.row.Decision)
		}
	}
	return out
}

// put writes a use, with one event and one notice.
func (p *pass) put(ctx context.Context, u *use, kind, reason string) error {
	body, err := json.Marshal(u.Use)
	if err != nil {
		return err
	}
	row := u.row
	row.Body = body
	// It stays of interest while it holds something and while its review is due. The
	// worker notes the end, so that a use is not forgotten before its access is gone.
	row.Live = u.ReviewedAt.IsZero() || row.EndedAt.IsZero()
	b := ledger.IntakeBatch{Requests: []ledger.Request{row}}
	if kind != "" {
		now := p.cfg.Now()
		window := Window(row.Decision)
		data, _ := json.Marshal(map[string]any{ // of strings and times
			"use": u.Use, "reason": reason, "from": window.From, "until": window.Until, "checks": row.Decision.Checks,
		})
		b.Events = []ledger.Event{{At: now, Kind: kind, Request: row.ID, Data: data}}
		args, _ := json.Marshal([]reconcile.Notice{{
			Kind: kind, At: now, Subject: u.Subject, Until: row.Decision.Ends(), Request: row.ID, Reason: reason + ": " + u.URL,
		}})
		b.Jobs = []ledger.Job{{Kind: reconcile.JobNotice, Key: fmt.Sprintf("%s/%s", kind, row.ID), Args: args}}
	}
	if err := p.cfg.Ledger.TakeIn(ctx, p.lease, b); err != nil {
		return err
	}
	u.row = row
	return nil
}
