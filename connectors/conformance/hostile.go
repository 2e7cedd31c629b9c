package conformance

import (
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/grants"
)

// hostileNames are meant to become something else on their way: SQL, shell, LDAP
// filters, templates, paths, lists, comments, formats with lengths.
var hostileNames = []string{
	`o'brien`, `say "hi"`, `'; DROP ROLE x; --`, `a"; GRANT ALL TO b; --`, `back\slash`, `\`, `a\'b`, `trailing\`,
	"new\nline", "carriage\rreturn", "tab\tbed", "nul\x00byte", "a\u200bb", "\u202ereversed", "bad\xffutf8",
	`a;b`, `a,b`, `a:b`, `a=b`, `a|b`, `a&b`, "`id`", `$(id)`, `${HOME}`, `{{.}}`, `{{ "x" }}`, `%s%n`, `%wheel`, `#comment`, `# END tenure`,
	`*`, `(cn=*)`, `a)(b`, `../../etc/passwd`, `/`, `-rf`, `--help`, `@include x`, `!a`, `+a`, `~`, `ALL`, `Defaults`,
	`größe`, `名前`, `аdmin`, `🙂`, ` lead`, `trail `, `two  spaces`, `MiXed`, `mixed`, `public`, `none`, `null`, `true`, `0`,
	strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("é", 40), strings.Repeat("long", 250),
}

func (u *suite) hostileEntitlements() {
	u.hostile(EntitlementName, func(name string) (grants.Grant, bool) {
		text, err := u.Driver.Canonical(u.Named(name))
		return u.g(u.Accounts[0], text), err == nil
	})
}

func (u *suite) hostileAccounts() {
	u.hostile(AccountName, func(name string) (grants.Grant, bool) { return u.g(name, u.ents[0]), true })
}

// hostile demands of each name that it works exactly or is refused, and that nothing
// else changes in either case.
func (u *suite) hostile(kind Kind, make func(name string) (g grants.Grant, accepted bool)) {
	witness := u.g(u.Accounts[1], u.ents[0])
	u.grant(witness)
	worked := 0
	for _, name := range hostileNames {
		g, ok := make(name)
		if !ok || u.Create != nil && !u.Create(u.t, kind, name) {
			continue
		}
		scope := append(slices.Clone(u.ents), g.Entitlement)
		before, err := u.c.Observe(u.ctx, scope)
		if err != nil {
			u.t.Fatalf("%+q: observe: %v", name, err)
		}
		granted := u.c.Grant(u.ctx, g, until())
		want := slices.Clone(before)
		if granted == nil {
			worked++
			want = append(want, g)
		}
		u.same(name, "grant", scope, want)
		if err := u.c.Revoke(u.ctx, g); err != nil && granted == nil {
			u.t.Errorf("%+q: granted, but not revoked: %v", name, err)
		}
		u.same(name, "revoke", scope, before)
	}
	u.t.Logf("%d of %d names worked, the others were refused", worked, len(hostileNames))
	u.want(witness)
}

func (u *suite) same(name, after string, scope []string, want []grants.Grant) {
	u.t.Helper()
	got, err := u.c.Observe(u.ctx, scope)
	if err != nil {
		u.t.Fatalf("%+q: observe after %s: %v", name, after, err)
	}
	got, want = unique(got), unique(want)
	if !slices.Equal(got, want) {
		u.t.Errorf("%+q: after %s observe says %+q, want %+q", name, after, got, want)
	}
}

func unique(gs []grants.Grant) []grants.Grant {
	gs = slices.Clone(gs)
	slices.SortFunc(gs, grants.Grant.Compare)
	return slices.Compact(gs)
}
