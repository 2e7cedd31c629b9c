package revert_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/revert"
)

// memory is a ledger with requests that ended together.
type memory struct {
	revert.Ledger
	requests []ledger.Request
}

func (m memory) RevertRequests(context.Context, string) ([]ledger.Request, error) {
	return m.requests, nil
}
func (memory) PutRevert(context.Context, ledger.Revert) error                { return nil }
func (memory) Events(context.Context, ledger.Filter) ([]ledger.Event, error) { return nil, nil }

// drawer is a forge that keeps what it is asked to open.
type drawer struct {
	forge.Reverter
	asked forge.RevertRequest
}

func (*drawer) Find(context.Context, string) ([]forge.OpenedPull, error) { return nil, nil }
func (d *drawer) Open(_ context.Context, r forge.RevertRequest) (forge.OpenedPull, error) {
	d.asked = r
	return forge.OpenedPull{Number: 1}, nil
}

var span = regexp.MustCompile("`[^`]+`")

// FuzzPullRequest holds that what a revert pull request says keeps its form whatever
// stands in the files: the same lines, and all that comes from a file or a target in
// code spans, where nothing is a mention, a link or markup.
func FuzzPullRequest(f *testing.F) {
	f.Add("requests/a.yaml", "alice", "orders_rw", "INC-1")
	f.Add("requests/`x`.yaml", "@security", "a\n### b", "``` <img src=x>")
	f.Add("requests/a b.yaml", "x` *y* `z", "[x](https://example.com)", "\\`")
	f.Add("requests/closes #1.yaml", "`", "``", "")
	f.Fuzz(func(t *testing.T, path, subject, entitlement, ticket string) {
		// What the loader and the ledger let through.
		for _, s := range []string{path, subject, entitlement, ticket + "x"} {
			if s == "" || s != strings.TrimSpace(s) || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
				return
			}
		}
		end := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		body, err := json.Marshal(policy.Record{Path: path, Versions: []policy.Version{{SeenAt: end.Add(-time.Hour)}}})
		if err != nil {
			t.Fatal(err)
		}
		d := grants.Decision{Path: path, Ticket: ticket, Terms: []grants.Terms{{
			Span:  grants.Window{From: end.Add(-time.Hour), Until: end},
			Items: []grants.Item{{Grant: grants.Grant{Target: "db", Account: subject, Entitlement: entitlement}, Subject: subject}},
		}}}
		forge := &drawer{}
		tender := &revert.Tender{
			Ledger: memory{requests: []ledger.Request{{ID: path, Path: path, Live: true, Body: body, Decision: d, EndedAt: end}}},
			Forge:  forge, Branch: "main", Now: func() time.Time { return end }, Log: slog.New(slog.DiscardHandler),
		}
		key, _ := revert.Key(end, 5*time.Minute)
		if err := tender.Open(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(forge.asked.Title, unicode.IsControl) || forge.asked.Title != strings.TrimSpace(forge.asked.Title) {
			t.Fatalf("title %q", forge.asked.Title)
		}
		if len(forge.asked.Remove) != 1 {
			t.Fatalf("removes %q", forge.asked.Remove)
		}
		var form []string
		for line := range strings.SplitSeq(strings.TrimSpace(forge.asked.Body), "\n") {
			form = append(form, span.ReplaceAllString(line, "§"))
		}
		want := []string{"", "### §", "", "- who: §", "- what: §", "- window: §", "- granted at: §", "- revoked at: §"}
		if ticket != "" {
			want = append(want, "- ticket: §")
		}
		if len(form) < 2 || strings.Contains(form[0], "§") || !slices.Equal(form[1:], want) {
			t.Fatalf("the text has another form: %q\n%s", form, forge.asked.Body)
		}
		if strings.ContainsFunc(forge.asked.Body, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
			t.Fatalf("the text has control characters: %q", forge.asked.Body)
		}
	})
}

// FuzzKey holds that a key is plain, and that a group is due after all that is in it
// has ended, and no later than the length of the group.
func FuzzKey(f *testing.F) {
	f.Add(int64(1_795_000_000), int64(5*time.Minute))
	f.Add(int64(0), int64(0))
	f.Add(int64(-1), int64(-1))
	f.Add(int64(1<<40), int64(1<<62))
	plain := regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)
	f.Fuzz(func(t *testing.T, ended, group int64) {
		at := time.Unix(ended%(1<<34), 0)                            // years 1425 to 2514
		length := time.Duration(group) % (10 * 366 * 24 * time.Hour) // configured groups are minutes
		key, due := revert.Key(at, length)
		if !plain.MatchString(key) {
			t.Fatalf("key %q", key)
		}
		if !due.After(at) || due.Sub(at) > max(length, time.Second) {
			t.Fatalf("ended %s, due %s with groups of %s", at, due, length)
		}
		if again, _ := revert.Key(at.In(time.FixedZone("x", 3600)), length); again != key {
			t.Fatalf("%q in another zone is %q", key, again)
		}
	})
}
