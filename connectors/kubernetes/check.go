package kubernetes

import (
	"context"
	"fmt"
	"slices"

	authorization "k8s.io/api/authorization/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
)

// right is one thing that the reconciler's account must be able to do.
type right struct{ verb, group, resource, namespace, name string }

func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.name != "" {
		text += fmt.Sprintf(" %q", r.name)
	}
	if r.namespace != "" {
		text += fmt.Sprintf(" in namespace %q", r.namespace)
	}
	return text
}

// Check asks the cluster for every right that the scope needs.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	var want []right
	need := func(r right) {
		if !slices.Contains(want, r) {
			want = append(want, r)
		}
	}
	if slices.Contains(c.subjects, kindServiceAccount) {
		need(right{"get", "", "serviceaccounts", "", ""})
	}
	for _, e := range scope {
		p, err := placeOf(e)
		if err == nil {
			err = c.allowed(p)
		}
		if err != nil {
			errs = append(errs, c.wrap("check", err))
			continue
		}
		for _, verb := range []string{"list", "create", "patch", "delete"} {
			need(right{verb, rbac.GroupName, p.bindings(), p.namespace, ""})
		}
		// Without bind the server lets one hand on only what one has oneself.
		need(right{"bind", rbac.GroupName, p.roles(), p.namespace, p.role.Name})
		canLook := right{"get", rbac.GroupName, p.roles(), p.roleNamespace(), p.role.Name}
		need(canLook)
		if ok, err := c.may(ctx, canLook); err == nil && ok {
			if err := c.roleExists(ctx, p); err != nil {
				errs = append(errs, c.wrap("check", err))
			}
		}
	}
	for _, r := range want {
		ok, err := c.may(ctx, r)
		if err != nil {
			return append(errs, c.wrap("check", err))
		}
		if !ok {
			errs = append(errs, fmt.Errorf("%s: missing right: %s", c.target, r))
		}
	}
	return errs
}

// may asks the cluster whether the reconciler's own account has a right.
func (c *connector) may(ctx context.Context, r right) (bool, error) {
	review := &authorization.SelfSubjectAccessReview{Spec: authorization.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorization.ResourceAttributes{
			Verb: r.verb, Group: r.group, Resource: r.resource, Namespace: r.namespace, Name: r.name,
		},
	}}
	review.APIVersion, review.Kind = authorization.SchemeGroupVersion.String(), "SelfSubjectAccessReview"
	err := retry(ctx, func() error { return post(ctx, c.rbac, "selfsubjectaccessreviews", review) })
	return review.Status.Allowed, err
}

// post sends a review and reads it back with its status.
func post(ctx context.Context, c rest.Interface, resource string, review *authorization.SelfSubjectAccessReview) error {
	return c.Post().AbsPath("/apis/authorization.k8s.io/v1", resource).Body(review).Do(ctx).Into(review)
}
