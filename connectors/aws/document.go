package aws

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
)

// policyDocument is the statements of an identity policy, as they were written.
type policyDocument []map[string]json.RawMessage

const (
	// version is the only one of AWS's policy language in which variables work.
	version = "2012-10-17"
	// stamp is how a moment is written into a condition: ISO 8601, in UTC.
	stamp = "2006-01-02T15:04:05.000Z"

	currentTime = "aws:CurrentTime"
	issueTime   = "aws:TokenIssueTime"
)

// readDocument reads a policy whose statements can be given an end.
func readDocument(text []byte) (policyDocument, error) {
	var d struct {
		Version   string
		Id        string
		Statement json.RawMessage
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, errors.New("it is not a policy in JSON")
	}
	if d.Version != version {
		return nil, errors.New(`its Version must be "` + version + `"`)
	}
	var out policyDocument
	if err := json.Unmarshal(d.Statement, &out); err != nil {
		var one map[string]json.RawMessage
		if err := json.Unmarshal(d.Statement, &one); err != nil {
			return nil, errors.New("its Statement must be an object or a list of objects")
		}
		out = policyDocument{one}
	}
	if len(out) == 0 {
		return nil, errors.New("it has no statement")
	}
	for _, s := range out {
		if err := checkStatement(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkStatement(s map[string]json.RawMessage) error {
	var effect string
	if err := json.Unmarshal(s["Effect"], &effect); err != nil || effect != "Allow" && effect != "Deny" {
		return errors.New("a statement's Effect must be Allow or Deny")
	}
	for k := range s {
		switch k {
		case "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition":
		default:
			return errors.New("a statement of a person's policy may hold Sid, Effect, Action, NotAction, Resource, NotResource and Condition only")
		}
	}
	if (s["Action"] == nil) == (s["NotAction"] == nil) || (s["Resource"] == nil) == (s["NotResource"] == nil) {
		return errors.New("a statement needs Action or NotAction, and Resource or NotResource")
	}
	conditions, err := conditionsOf(s)
	if err != nil {
		return err
	}
	for operator, keys := range conditions {
		for key := range keys {
			// Two values of one key would be alternatives: the end must stand alone.
			if strings.EqualFold(operator, "DateLessThan") && strings.EqualFold(key, currentTime) {
				return errors.New("a statement has a condition DateLessThan on aws:CurrentTime, which is where the end of a grant is written")
			}
		}
	}
	return nil
}

func conditionsOf(s map[string]json.RawMessage) (map[string]map[string]json.RawMessage, error) {
	conditions := map[string]map[string]json.RawMessage{}
	if s["Condition"] == nil {
		return conditions, nil
	}
	if err := json.Unmarshal(s["Condition"], &conditions); err != nil {
		return nil, errors.New("a statement's Condition must be an object of objects")
	}
	if conditions == nil {
		return nil, errors.New("a statement's Condition must not be null")
	}
	return conditions, nil
}

// until returns the policy whose every statement ends to apply at that moment, by the
// clock of AWS.
func (d policyDocument) until(end time.Time) (string, error) {
	moment, err := json.Marshal(end.UTC().Format(stamp))
	if err != nil {
		return "", err
	}
	out := make(policyDocument, 0, len(d))
	for _, s := range d {
		conditions, err := conditionsOf(s)
		if err != nil {
			return "", err
		}
		operator := "DateLessThan"
		for k := range conditions {
			if strings.EqualFold(k, operator) {
				operator = k
			}
		}
		if conditions[operator] == nil {
			conditions[operator] = map[string]json.RawMessage{}
		}
		conditions[operator][currentTime] = moment
		bounded := make(map[string]json.RawMessage, len(s)+1)
		for k, v := range s {
			bounded[k] = v
		}
		if bounded["Condition"], err = json.Marshal(conditions); err != nil {
			return "", err
		}
		out = append(out, bounded)
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement policyDocument
	}{version, out})
	return string(text), err
}

// ended reports whether a policy that IAM returned certainly gives nothing any more: it
// is in the form that until writes, and each end is over.
func ended(encoded string, now time.Time) bool {
	text, err := url.PathUnescape(encoded)
	if err != nil {
		return false
	}
	var d struct {
		Statement []struct {
			Condition map[string]map[string]json.RawMessage
		}
	}
	if json.Unmarshal([]byte(text), &d) != nil || len(d.Statement) == 0 {
		return false
	}
	for _, s := range d.Statement {
		var moment string
		if json.Unmarshal(s.Condition["DateLessThan"][currentTime], &moment) != nil {
			return false
		}
		end, err := time.Parse(stamp, moment)
		if err != nil || now.Before(end) {
			return false
		}
	}
	return true
}
