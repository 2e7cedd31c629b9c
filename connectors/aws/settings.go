package aws

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// settings is one target in the reconciler's configuration: one with an instance is an
// Identity Center, one with an account is that account's IAM.
type settings struct {
	Instance       string   `setting:"instance"`
	Accounts       []string `setting:"accounts"`
	PermissionSets []string `setting:"permissionSets"` // names, or ARNs that pin a name
	IdentityGroups []string `setting:"identityGroups"`
	// MaxSession refuses permission sets whose sessions last longer.
	MaxSession time.Duration `setting:"maxSession"`

	Account         string            `setting:"account"`
	Groups          []string          `setting:"groups"`
	Policies        map[string]string `setting:"policies"` // name -> document
	ManagedPolicies []string          `setting:"managedPolicies"`
	Roles           []string          `setting:"roles"`
	Subjects        []string          `setting:"subjects"` // default: user

	Region     string `setting:"region"`
	AccessKey  string `setting:"accessKeyID,file"`
	SecretKey  string `setting:"secretAccessKey,file"`
	Token      string `setting:"sessionToken,file"`
	AssumeRole string `setting:"assumeRole"`
	ExternalID string `setting:"externalID,file"`
	Endpoint   string `setting:"endpoint"`
}

const (
	kindUser = "user"
	kindRole = "role"
	// rolePrefix begins an account that is an IAM role. No name in IAM holds a colon.
	rolePrefix = kindRole + ":"
)

var (
	instancePattern = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):sso:::instance/(sso)?ins-[a-zA-Z0-9.-]{16}$`)
	setARNPattern   = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):sso:::permissionSet/(sso)?ins-[a-zA-Z0-9.-]{16}/ps-[a-zA-Z0-9./-]{16}$`)
	roleARNPattern  = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/[\w+=,.@/-]+$`)
	regionPattern   = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
)

// check refuses what cannot work, and returns the policies' documents. Errors name a
// setting and never a value that may be secret.
func (s *settings) check() (map[string]policyDocument, error) {
	if (s.Instance == "") == (s.Account == "") {
		return nil, errors.New("give setting instance (a target of Identity Center) or setting account (a target of one account's IAM), and not both")
	}
	if err := s.connection(); err != nil {
		return nil, err
	}
	if s.Instance != "" {
		return nil, s.checkCenter()
	}
	return s.checkAccount()
}

func (s *settings) connection() error {
	switch {
	case s.Region == "" && s.Instance != "":
		return errors.New("setting region is missing; it is the one that the instance of Identity Center is in")
	case s.Region != "" && !regionPattern.MatchString(s.Region):
		return errors.New("setting region must be such as eu-central-1")
	case (s.AccessKey == "") != (s.SecretKey == ""):
		return errors.New("settings accessKeyID and secretAccessKey go together")
	case s.Token != "" && s.AccessKey == "":
		return errors.New("setting sessionToken goes with accessKeyID and secretAccessKey")
	case s.AssumeRole != "" && !roleARNPattern.MatchString(s.AssumeRole):
		return errors.New("setting assumeRole must be the ARN of an IAM role")
	case s.ExternalID != "" && s.AssumeRole == "":
		return errors.New("setting externalID goes with assumeRole")
	}
	if s.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("setting endpoint must be a URL of a scheme, a host and a port")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !connectors.LoopbackAddress(u.Hostname())) {
		return errors.New("setting endpoint must begin with https://, or with http:// and an address of this machine")
	}
	return nil
}

func (s *settings) checkCenter() error {
	switch {
	case !instancePattern.MatchString(s.Instance):
		return errors.New("setting instance must be an ARN such as arn:aws:sso:::instance/ssoins-0123456789abcdef")
	case len(s.Groups)+len(s.Policies)+len(s.ManagedPolicies)+len(s.Roles) > 0 || !slices.Equal(s.Subjects, []string{kindUser}):
		return errors.New("settings groups, policies, managedPolicies, roles and subjects are of a target with account")
	case (len(s.Accounts) == 0) != (len(s.PermissionSets) == 0):
		return errors.New("settings accounts and permissionSets go together")
	}
	for _, a := range s.Accounts {
		if !accountPattern.MatchString(a) {
			return errors.New("setting accounts must hold account ids of twelve digits, as text")
		}
	}
	for _, p := range s.PermissionSets {
		if !setPattern.MatchString(p) && !setARNPattern.MatchString(p) {
			return errors.New("setting permissionSets must hold names or ARNs of permission sets")
		}
	}
	for _, g := range s.IdentityGroups {
		if err := checkGroup(g); err != nil {
			return fmt.Errorf("setting identityGroups: %w", err)
		}
	}
	return nil
}

func (s *settings) checkAccount() (map[string]policyDocument, error) {
	switch {
	case !accountPattern.MatchString(s.Account):
		return nil, errors.New("setting account must be an account id of twelve digits, as text")
	case len(s.Accounts)+len(s.PermissionSets)+len(s.IdentityGroups) > 0 || s.MaxSession != 0:
		return nil, errors.New("settings accounts, permissionSets, identityGroups and maxSession are of a target with instance")
	}
	for setting, names := range map[string][]string{"groups": s.Groups, "roles": s.Roles} {
		for _, n := range names {
			if !namePattern.MatchString(n) {
				return nil, fmt.Errorf("setting %s must hold names of IAM, without their paths", setting)
			}
		}
	}
	for _, a := range s.ManagedPolicies {
		if !policyARNPattern.MatchString(a) {
			return nil, errors.New("setting managedPolicies must hold ARNs of managed policies")
		}
	}
	for _, k := range s.Subjects {
		if k != kindUser && k != kindRole {
			return nil, errors.New("setting subjects may hold user and role")
		}
	}
	docs := make(map[string]policyDocument, len(s.Policies))
	for name, text := range s.Policies {
		if !namePattern.MatchString(name) {
			return nil, errors.New("setting policies must have names of letters, digits and +=,.@_- for its documents")
		}
		d, err := readDocument([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("setting policies, %s: %w", name, err)
		}
		docs[name] = d
	}
	return docs, nil
}
