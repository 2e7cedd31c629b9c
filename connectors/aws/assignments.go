package aws

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"
)

// place is where a permission set is assigned.
type place struct{ account, set string } // set: an ARN

var errNoSet = errors.New("the permission set does not exist")

// permissionSets returns the ARNs of the permission sets that the entitlements name. What
// does not exist is missing. An ARN keeps its name for ever, so each is asked for once;
// which there are is asked for each time.
func (c *center) permissionSets(ctx context.Context, entitlements []entitlement) (map[string]string, error) {
	want := map[string]bool{}
	for _, e := range entitlements {
		if e.kind == inSet {
			want[e.name] = true
		}
	}
	out := map[string]string{}
	if len(want) == 0 {
		return out, nil
	}
	var unknown []string
	pages := ssoadmin.NewListPermissionSetsPaginator(c.api.sso, &ssoadmin.ListPermissionSetsInput{InstanceArn: &c.set.Instance, MaxResults: sdk.Int32(100)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list permission sets: %w", err)
		}
		for _, arn := range p.PermissionSets {
			name := c.nameOf(arn)
			if name == "" {
				unknown = append(unknown, arn)
			} else if want[name] {
				out[name] = arn
			}
		}
	}
	// Those that the settings pin come first: they may be all that is wanted.
	slices.SortStableFunc(unknown, func(a, b string) int {
		return order(slices.Contains(c.set.PermissionSets, b)) - order(slices.Contains(c.set.PermissionSets, a))
	})
	for part := range slices.Chunk(unknown, 2*parallel) {
		if len(out) == len(want) {
			break // names are unique
		}
		err := gather(ctx, len(part), func(ctx context.Context, i int) error {
			_, err := c.describe(ctx, part[i])
			if missing(err) {
				return nil // deleted since
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, arn := range part {
			if name := c.nameOf(arn); want[name] {
				out[name] = arn
			}
		}
	}
	return out, nil
}

func order(first bool) int {
	if first {
		return 1
	}
	return 0
}

func (c *center) nameOf(arn string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.setNames[arn]
}

func (c *center) describe(ctx context.Context, arn string) (*types.PermissionSet, error) {
	out, err := c.api.sso.DescribePermissionSet(ctx, &ssoadmin.DescribePermissionSetInput{InstanceArn: &c.set.Instance, PermissionSetArn: &arn})
	if err != nil {
		return nil, fmt.Errorf("read permission set %s: %w", arn, err)
	}
	if out.PermissionSet == nil || sdk.ToString(out.PermissionSet.Name) == "" {
		return nil, fmt.Errorf("read permission set %s: AWS returned none", arn)
	}
	c.mu.Lock()
	c.setNames[arn] = *out.PermissionSet.Name
	c.mu.Unlock()
	return out.PermissionSet, nil
}

// assigned returns the ids of the users that a permission set is assigned to.
func (c *center) assigned(ctx context.Context, p place) ([]string, error) {
	var out []string
	pages := ssoadmin.NewListAccountAssignmentsPaginator(c.api.sso, &ssoadmin.ListAccountAssignmentsInput{
		InstanceArn: &c.set.Instance, AccountId: &p.account, PermissionSetArn: &p.set, MaxResults: sdk.Int32(100),
	})
	for pages.HasMorePages() {
		answer, err := pages.NextPage(ctx)
		if missing(err) {
			return nil, nil // the account or the permission set has gone
		}
		if err != nil {
			return nil, fmt.Errorf("list assignments of %s in account %s: %w", c.nameOf(p.set), p.account, err)
		}
		for _, a := range answer.AccountAssignments {
			if a.PrincipalType == types.PrincipalTypeUser {
				out = append(out, sdk.ToString(a.PrincipalId))
			}
		}
	}
	return out, nil
}

// assignment makes an assignment or takes it away, and waits until AWS has done so.
func (c *center) assignment(ctx context.Context, e entitlement, user string, revoke bool, sets func() (map[string]string, error), lists *once[place, map[string]bool]) error {
	found, err := sets()
	if err != nil {
		return err
	}
	arn := found[e.name]
	if arn == "" {
		if revoke {
			return nil // and its assignments with it
		}
		return fmt.Errorf("%q: %w", e.name, errNoSet)
	}
	p := place{e.account, arn}
	if revoke {
		return c.unassign(ctx, p, user)
	}
	if err := c.allowedSet(e.name, arn); err != nil {
		return err
	}
	if c.set.MaxSession > 0 {
		if err := c.short(ctx, arn); err != nil {
			return err
		}
	}
	// A change takes AWS seconds, a look none; and it refuses some that change nothing.
	there, err := lists.get(p, func() (map[string]bool, error) { return c.assignedSet(ctx, p) })
	if err != nil || there[user] {
		return err
	}
	return c.assign(ctx, p, user)
}

func (c *center) assignedSet(ctx context.Context, p place) (map[string]bool, error) {
	ids, err := c.assigned(ctx, p)
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, err
}

// short refuses a permission set whose sessions would outlive a revoke for too long.
func (c *center) short(ctx context.Context, arn string) error {
	set, err := c.describe(ctx, arn)
	if err != nil {
		return err
	}
	d, err := duration(sdk.ToString(set.SessionDuration))
	if err != nil {
		return fmt.Errorf("permission set %s: %w", sdk.ToString(set.Name), err)
	}
	if d > c.set.MaxSession {
		return fmt.Errorf("sessions of permission set %q last %s, and setting maxSession allows %s", sdk.ToString(set.Name), d, c.set.MaxSession)
	}
	return nil
}

var durationPattern = regexp.MustCompile(`^P(?:([0-9]{1,3})D)?(?:T(?:([0-9]{1,5})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,7})S)?)?$`)

// duration reads one of ISO 8601. Without one, AWS takes an hour.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return time.Hour, nil
	}
	parts := durationPattern.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("its session duration %+.20q cannot be read", text)
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(parts[i+1])
		d += time.Duration(n) * unit
	}
	return d, nil
}

func (c *center) assign(ctx context.Context, p place, user string) error {
	return c.patiently(ctx, func() error {
		out, err := c.api.sso.CreateAccountAssignment(ctx, &ssoadmin.CreateAccountAssignmentInput{
			InstanceArn: &c.set.Instance, PermissionSetArn: &p.set, PrincipalId: &user, PrincipalType: types.PrincipalTypeUser,
			TargetId: &p.account, TargetType: types.TargetTypeAwsAccount,
		})
		if err != nil {
			return err
		}
		return c.done(ctx, out.AccountAssignmentCreationStatus, func(id *string) (*types.AccountAssignmentOperationStatus, error) {
			out, err := c.api.sso.DescribeAccountAssignmentCreationStatus(ctx, &ssoadmin.DescribeAccountAssignmentCreationStatusInput{
				InstanceArn: &c.set.Instance, AccountAssignmentCreationRequestId: id,
			})
			if err != nil {
				return nil, err
			}
			return out.AccountAssignmentCreationStatus, nil
		})
	})
}

// unassign deletes an assignment and looks whether it is gone.
func (c *center) unassign(ctx context.Context, p place, user string) error {
	for _, pause := range append(pauses(), 0) {
		err := c.patiently(ctx, func() error { return c.deleteAssignment(ctx, p, user) })
		if missing(err) {
			return nil
		}
		var f *failed
		if err != nil && !errors.As(err, &f) {
			return err
		}
		// What failed may have failed because it was gone already.
		there, look := c.assignedSet(ctx, p)
		if look != nil {
			return errors.Join(err, look)
		}
		if !there[user] {
			return nil
		}
		if err != nil {
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
	return errors.New("AWS says that it has deleted the assignment, and lists it still")
}

func (c *center) deleteAssignment(ctx context.Context, p place, user string) error {
	out, err := c.api.sso.DeleteAccountAssignment(ctx, &ssoadmin.DeleteAccountAssignmentInput{
		InstanceArn: &c.set.Instance, PermissionSetArn: &p.set, PrincipalId: &user, PrincipalType: types.PrincipalTypeUser,
		TargetId: &p.account, TargetType: types.TargetTypeAwsAccount,
	})
	if err != nil {
		return err
	}
	return c.done(ctx, out.AccountAssignmentDeletionStatus, func(id *string) (*types.AccountAssignmentOperationStatus, error) {
		out, err := c.api.sso.DescribeAccountAssignmentDeletionStatus(ctx, &ssoadmin.DescribeAccountAssignmentDeletionStatusInput{
			InstanceArn: &c.set.Instance, AccountAssignmentDeletionRequestId: id,
		})
		if err != nil {
			return nil, err
		}
		return out.AccountAssignmentDeletionStatus, nil
	})
}

// failed is a change that AWS took on and did not bring to its end.
type failed struct{ reason string }

func (f *failed) Error() string { return "AWS could not do it: " + f.reason }

// done polls a change until AWS has done it.
func (c *center) done(ctx context.Context, status *types.AccountAssignmentOperationStatus, ask func(id *string) (*types.AccountAssignmentOperationStatus, error)) error {
	var id *string
	for pause := 200 * time.Millisecond; ; pause = min(pause*2, 3*time.Second) {
		switch {
		case status == nil:
			return errors.New("AWS returned no status of the change")
		case status.Status == types.StatusValuesSucceeded:
			return nil
		case status.Status == types.StatusValuesFailed:
			return &failed{fmt.Sprintf("%+.300q", sdk.ToString(status.FailureReason))}
		case status.Status != types.StatusValuesInProgress:
			return fmt.Errorf("AWS returned the status %+.40q", string(status.Status))
		}
		if id == nil {
			id = status.RequestId
		}
		if sdk.ToString(id) == "" {
			return errors.New("AWS returned no id to ask for the change by")
		}
		if err := wait(ctx, pause); err != nil {
			return fmt.Errorf("the change is still under way: %w", err)
		}
		var err error
		if status, err = ask(id); err != nil {
			return fmt.Errorf("ask for the state of the change: %w", err)
		}
	}
}

// patiently repeats a change that met another one: an account of AWS takes them one
// after the other.
func (c *center) patiently(ctx context.Context, do func() error) error {
	for pause := 250 * time.Millisecond; ; pause *= 2 {
		err := do()
		if !conflict(err) || pause > maxPause {
			return err
		}
		if wait(ctx, pause) != nil {
			return err
		}
	}
}
