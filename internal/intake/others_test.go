package intake

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func role(name string) string {
	return "apiVersion: tenure.dev/v1\nkind: Role\nname: " + name + "\ndescription: x\nentitlements: [{target: bastion, group: " + name + "}]\n" +
		"requesters: [all]\nmaxDuration: 8h\napprovals: [{from: [admins], count: 1}]\n"
}

func apart(require string) string {
	return "apiVersion: tenure.dev/v1\nkind: Policy\nrules:\n  - {name: apart, require: \"" + require + "\", message: never both}\n"
}

// never both roles.
const notBoth = "!('pay' in subject.roles && 'book' in subject.roles)"

// ruled is a configuration with two roles, anybody's to ask for, and a rule.
func ruled(require string) map[string]string {
	out := with(with(with(chained, "roles/pay.yaml", role("pay")), "roles/book.yaml", role("book")), "policies/apart.yaml", apart(require))
	out = with(out, "groups/all.yaml", group("all", "alice", "mallory"))
	return with(out, "targets/bastion.yaml", "apiVersion: tenure.dev/v1\nkind: Target\nname: bastion\nconnector: file\ndescription: x\nallow: [{group: pay}, {group: book}]\n")
}

func wants(subject, role string) string {
	return strings.Replace(request(subject, "1h"), "roles: [ops]", "roles: ["+role+"]", 1)
}

// approved says that a pull request by the subject, which erin approved, brought a
// request.
func (w *world) approved(path, commit string, author int64) {
	w.brought(path, commit, w.commits[slices.Index(w.commits, commit)-1], 5)
	e := w.hub.answers[path+"@"+commit]
	e.Pull.Author = w.who(author)
	e.Pull.Number = int(author)*100 + len(w.commits)
	e.HeadPushes[0].Actor = w.who(author)
	w.hub.answers[path+"@"+commit] = e
}

// verdict says how a request was judged: proven, denied, or why it waits.
func (w *world) verdict(path string) string {
	w.t.Helper()
	rec := w.in.view.records[path]
	if rec == nil {
		w.t.Fatalf("%s is not known", path)
	}
	v := rec.Versions[len(rec.Versions)-1]
	switch {
	case v.Verdict == nil:
		return "waits: " + v.Problem
	case v.Verdict.Proven:
		return "proven"
	}
	return "denied: " + denial(v.Verdict.Checks)
}

func (w *world) judged(path, want string) {
	w.t.Helper()
	if got := w.verdict(path); !strings.HasPrefix(got, want) {
		w.t.Errorf("%s: %s; want %s", path, got, want)
	}
}

const first, second = "requests/z-first.yaml", "requests/a-second.yaml"

func TestARuleAcrossRequestsSeesWhatCameBefore(t *testing.T) {
	w := newWorld(t, ruled(notBoth))
	files := with(ruled(notBoth), first, wants("alice", "pay"))
	c := w.commit(files)
	d := w.commit(with(files, second, wants("alice", "book")))
	w.approved(first, c, 1)
	w.approved(second, d, 1)
	w.pass() // both in one look, and by name the second one comes first
	w.judged(first, "proven")
	w.judged(second, "denied: apart")
	w.restart()
	files = with(w.trees[d], "requests/mallory.yaml", wants("mallory", "book"))
	e := w.commit(files)
	w.approved("requests/mallory.yaml", e, 6)
	files = with(files, "requests/later.yaml", wants("mallory", "pay"))
	f := w.commit(files)
	w.approved("requests/later.yaml", f, 6)
	w.pass()
	w.judged("requests/mallory.yaml", "proven")
	w.judged("requests/later.yaml", "denied")
}

func TestOfTwoRequestsInOneCommitTheSecondSeesTheFirst(t *testing.T) {
	w := newWorld(t, ruled(notBoth))
	c := w.commit(with(with(ruled(notBoth), "requests/a.yaml", wants("alice", "pay")), "requests/b.yaml", wants("alice", "book")))
	w.approved("requests/a.yaml", c, 1)
	w.approved("requests/b.yaml", c, 1)
	w.pass()
	w.judged("requests/a.yaml", "proven")
	w.judged("requests/b.yaml", "denied: apart")
}

func TestARequestWaitsForAnEarlierOneThatSharesAPersonOrARoleWithIt(t *testing.T) {
	const other, apartFromBoth = "requests/m-role.yaml", "requests/b-nothing.yaml"
	w := newWorld(t, ruled(notBoth))
	files := with(ruled(notBoth), first, wants("alice", "pay"))
	c := w.commit(files)
	w.pass()
	w.judged(first, "waits: the forge's evidence")
	add := func(path, text string, author int64) {
		files = with(files, path, text)
		w.approved(path, w.commit(files), author)
	}
	add(second, wants("alice", "book"), 1)
	add(other, wants("mallory", "pay"), 6)
	add(apartFromBoth, strings.Replace(wants("mallory", "book"), "because", "for it", 1), 6)
	w.pass()
	for _, path := range []string{second, other} {
		w.judged(path, "waits: rules look across requests, and "+first)
	}
	// It shares the role with a-second and the person with m-role, which wait.
	w.judged(apartFromBoth, "waits: rules look across requests")
	if asked := w.hub.asked.Load(); asked == 0 {
		t.Fatal("nothing was asked for")
	}
	w.approved(first, c, 1)
	w.now = w.now.Add(time.Hour)
	w.pass()
	w.judged(first, "proven")
	w.judged(second, "denied")
	w.judged(other, "proven")
	w.judged(apartFromBoth, "denied")
}

func TestARequestThatSharesNothingWithAnUnreadableOneGoesOn(t *testing.T) {
	w := newWorld(t, ruled(notBoth))
	files := with(ruled(notBoth), first, wants("alice", "pay"))
	w.commit(files)
	files = with(files, second, wants("mallory", "book"))
	w.approved(second, w.commit(files), 6)
	w.pass()
	w.judged(first, "waits: the forge's evidence")
	w.judged(second, "proven")
}

func TestWithoutARuleAcrossRequestsNoneWaitsForAnother(t *testing.T) {
	w := newWorld(t, ruled("request.reason != ''"))
	files := with(ruled("request.reason != ''"), first, wants("alice", "pay"))
	w.commit(files)
	files = with(files, second, wants("alice", "book"))
	w.approved(second, w.commit(files), 1)
	w.pass()
	w.judged(second, "proven")
}

func TestWhatCameLaterDoesNotCount(t *testing.T) {
	w := newWorld(t, ruled(notBoth))
	files := with(ruled(notBoth), first, wants("alice", "pay"))
	c := w.commit(files)
	w.commit(with(files, second, wants("alice", "book")))
	w.pass()
	w.proves(second, 0, w.now, true) // by rules of another time
	w.approved(first, c, 1)
	w.now = w.now.Add(time.Hour)
	w.pass()
	w.judged(first, "proven")
}

func TestARunningEmergencyCounts(t *testing.T) {
	for _, c := range []struct {
		name string
		live bool
		pull int // of the emergency; the request's own is 102
		want string
	}{
		{"it runs", true, 40, "denied: apart"},
		{"it is over", false, 40, "proven"},
		{"this is its merge", true, 102, "proven"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, ruled(notBoth))
			w.pass()
			id := fmt.Sprintf("pull/%d", c.pull)
			item := grants.Item{Grant: grants.Grant{Target: "bastion", Account: "alice", Entitlement: "book"}, Subject: "alice", Role: "book"}
			use := ledger.Request{ID: id, Path: "requests/e.yaml", Live: c.live, Pull: c.pull, Decision: grants.Decision{
				Request: id, Path: "requests/e.yaml", Granted: true,
				Terms: []grants.Terms{{Span: grants.Window{From: w.now.Add(-time.Minute), Until: w.now.Add(time.Hour)}, Items: []grants.Item{item}}},
			}}
			if err := w.led.TakeIn(t.Context(), w.in.lease, ledger.IntakeBatch{Requests: []ledger.Request{use}}); err != nil {
				t.Fatal(err)
			}
			w.approved(first, w.commit(with(ruled(notBoth), first, wants("alice", "pay"))), 1)
			w.pass()
			w.judged(first, c.want)
		})
	}
}

func TestTheOrderOfTheBranchGrowsWithItAndIsNewAfterARewrite(t *testing.T) {
	w := newWorld(t, base)
	old := w.commit(with(base, "README.md", "1"))
	if o, err := w.in.orderOf(old); err != nil || o[old] != 1 {
		t.Fatalf("%v, %v", o, err)
	}
	next := w.commit(with(base, "README.md", "2"))
	if o, err := w.in.orderOf(next); err != nil || o[old] != 1 || o[next] != 2 {
		t.Errorf("%v, %v", o, err)
	}
	w.commits = w.commits[:1]
	other := w.commit(with(base, "README.md", "3"))
	o, err := w.in.orderOf(other)
	if _, there := o[old]; err != nil || there || o[other] != 1 {
		t.Errorf("%v, %v", o, err)
	}
}
