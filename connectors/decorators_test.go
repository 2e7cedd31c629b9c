package connectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// full has every ability and notes what reaches it; plain has none.
type full struct {
	calls []string
	err   error
}

func (f *full) note(ctx context.Context, what string) error {
	_, bounded := ctx.Deadline()
	f.calls = append(f.calls, fmt.Sprintf("%s bounded=%v", what, bounded))
	return f.err
}
func (f *full) Observe(ctx context.Context, _ []string) ([]grants.Grant, error) {
	return []grants.Grant{{Account: "a"}}, f.note(ctx, "observe")
}
func (f *full) Grant(ctx context.Context, _ grants.Grant, _ time.Time) error {
	return f.note(ctx, "grant")
}
func (f *full) Revoke(ctx context.Context, _ grants.Grant) error { return f.note(ctx, "revoke") }
func (f *full) Close() error                                     { f.calls = append(f.calls, "close"); return nil }
func (f *full) NativeExpiry() string                             { return "by itself" }
func (f *full) EndSessions(ctx context.Context, _ []grants.Grant) error {
	return f.note(ctx, "end")
}
func (f *full) Check(ctx context.Context, _ []string) []error {
	return []error{f.note(ctx, "check"), errors.New("missing right")}[1:]
}
func (f *full) Apply(ctx context.Context, acts []Act) []error {
	errs := make([]error, len(acts))
	errs[0] = f.note(ctx, "apply")
	return errs
}

type plain struct{ Connector }

// every calls everything that a connector can do, and returns its errors.
func every(c Connector) map[Op]error {
	ctx := context.Background()
	errs := map[Op]error{}
	_, errs[OpObserve] = c.Observe(ctx, []string{"e"})
	errs[OpGrant] = c.Grant(ctx, grants.Grant{}, time.Time{})
	errs[OpRevoke] = c.Revoke(ctx, grants.Grant{})
	if b, ok := AsBatcher(c); ok {
		errs[OpApply] = errors.Join(b.Apply(ctx, make([]Act, 3))...)
	}
	if s, ok := AsSessionEnder(c); ok {
		errs[OpEndSessions] = s.EndSessions(ctx, make([]grants.Grant, 2))
	}
	if k, ok := AsChecker(c); ok {
		errs[OpCheck] = errors.Join(k.Check(ctx, nil)...)
	}
	return errs
}

type recorder struct{ seen []string }

func (r *recorder) Call(op Op, n int) func(error) {
	return func(err error) { r.seen = append(r.seen, fmt.Sprintf("%s %d %v", op, n, err)) }
}

func TestDecoratorsKeepAndReachEveryAbility(t *testing.T) {
	f, r := &full{}, &recorder{}
	c := WithMetrics(WithTimeout(f, time.Hour), r)
	errs := every(c)
	if len(errs) != 6 {
		t.Fatalf("an ability was lost: %v", errs)
	}
	if _, ok := AsNativeExpirer(c); !ok {
		t.Error("native expiry was lost")
	}
	want := "observe bounded=true,grant bounded=true,revoke bounded=true,apply bounded=true,end bounded=true,check bounded=true"
	if got := strings.Join(f.calls, ","); got != want {
		t.Errorf("reached: %s", got)
	}
	if got, want := strings.Join(r.seen, ","), "observe 1 <nil>,grant 1 <nil>,revoke 1 <nil>,apply 3 <nil>,end-sessions 2 <nil>,check 0 missing right"; got != want {
		t.Errorf("recorded: %s", got)
	}
	if err := c.Close(); err != nil || !slices.Contains(f.calls, "close") {
		t.Error("close did not reach the connector")
	}
}

func TestDecoratorsInventNoAbility(t *testing.T) {
	c := ReadOnly(WithTimeout(plain{&full{}}, time.Hour))
	if got := Abilities(c); got != (AbilitySet{}) {
		t.Errorf("%+v", got)
	}
}

func TestReadOnlyRefusesEveryChange(t *testing.T) {
	f := &full{}
	for op, err := range every(ReadOnly(f)) {
		if errors.Is(err, ErrReadOnly) != op.Changes() {
			t.Errorf("%s: %v", op, err)
		}
	}
	if got := strings.Join(f.calls, ","); got != "observe bounded=false,check bounded=false" {
		t.Errorf("reached: %s", got)
	}
}

func TestReadOnlyBatchGivesEveryActItsError(t *testing.T) {
	b, _ := AsBatcher(ReadOnly(&full{}))
	errs := b.Apply(context.Background(), make([]Act, 3))
	if len(errs) != 3 || slices.Contains(errs, nil) {
		t.Errorf("%v", errs)
	}
}

// faulty panics in every call.
type faulty struct{ full }

func (faulty) Observe(context.Context, []string) ([]grants.Grant, error) { panic("nil map") }
func (faulty) Grant(context.Context, grants.Grant, time.Time) error      { panic("nil map") }
func (faulty) Revoke(context.Context, grants.Grant) error                { panic("nil map") }
func (faulty) Apply(context.Context, []Act) []error                      { panic("nil map") }
func (faulty) EndSessions(context.Context, []grants.Grant) error         { panic("nil map") }
func (faulty) Check(context.Context, []string) []error                   { panic("nil map") }

func TestAPanicIsTheErrorOfItsCall(t *testing.T) {
	c := WithRecover(&faulty{})
	errs := every(c)
	if len(errs) != 6 {
		t.Errorf("an ability was lost: %v", errs)
	}
	for op, err := range errs {
		if err == nil || !strings.Contains(err.Error(), string(op)+": the connector panicked") {
			t.Errorf("%s: %v", op, err)
		}
	}
	b, _ := AsBatcher(c)
	if errs := b.Apply(t.Context(), make([]Act, 3)); len(errs) != 3 || slices.Contains(errs, nil) {
		t.Errorf("a batch that panicked: %v", errs)
	}
}

// stuck answers nothing until its context ends.
type stuck struct{ full }

func (*stuck) Revoke(ctx context.Context, _ grants.Grant) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestTimeoutSaysHowLongItWaited(t *testing.T) {
	err := WithTimeout(&stuck{}, time.Millisecond).Revoke(context.Background(), grants.Grant{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "revoke: no answer within 1ms") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := WithTimeout(&stuck{}, time.Hour).Revoke(ctx, grants.Grant{}); err != context.Canceled {
		t.Errorf("the caller's own end was renamed: %v", err)
	}
}

func TestObserveErrorHidesAPartialAnswer(t *testing.T) {
	got, err := WithMetrics(&full{err: errors.New("cut")}, &recorder{}).Observe(context.Background(), nil)
	if got != nil || err == nil {
		t.Errorf("%v, %v", got, err)
	}
}

type named struct{ Driver }

func (named) Name() string { return "postgres" }

func TestRegistrySuggestsTheNearestName(t *testing.T) {
	r, err := NewRegistry(named{})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := r.Lookup("postgres"); err != nil || d == nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"postgers": `unknown connector "postgers"; did you mean "postgres"? (known: postgres)`,
		"Postgres": `unknown connector "Postgres"; did you mean "postgres"? (known: postgres)`,
		"ldap":     `unknown connector "ldap" (known: postgres)`,
	} {
		if _, err := r.Lookup(name); err == nil || err.Error() != want {
			t.Errorf("%v", err)
		}
	}
	if _, err := NewRegistry(named{}, named{}); err == nil {
		t.Error("two drivers of one name were accepted")
	}
}
