package ldap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/go-ldap/ldap/v3"
)

const (
	// perModify is how many values one request adds or deletes. Active Directory takes
	// 5,000 at most; fewer keep a request far from all time-outs.
	perModify = 500
	// giveUp is how many values a server refuses in a row, one by one and for the same
	// reason, until the others are not tried: then it is not about the values.
	giveUp = 8
)

// carryOut changes several groups at once, each of them in order: what takes away
// comes first. It returns an error only where the whole batch cannot go on.
func (b *batch) carryOut(ctx context.Context, jobs []*job) error {
	failed := make([]map[int]error, len(jobs))
	order := make([]int, len(jobs))
	for n := range jobs {
		failed[n], order[n] = map[int]error{}, n
	}
	err := each(ctx, b.connector, order, func(ctx context.Context, n int) error {
		j := jobs[n]
		blame := func(wanted map[string][]int, errs map[string]error) {
			for value, err := range errs {
				for _, i := range wanted[value] {
					failed[n][i] = err
				}
			}
		}
		for _, step := range []struct {
			remove bool
			wanted map[string][]int
		}{{true, j.drop}, {false, j.put}} {
			m := &modifier{connector: b.connector, group: j.group, remove: step.remove, errs: map[string]error{}}
			values := slices.Collect(maps.Keys(step.wanted))
			// By chance, so that those who are refused are not the first each time.
			rand.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			for chunk := range slices.Chunk(values, perModify) {
				if err := m.change(ctx, chunk); err != nil {
					for _, list := range []map[string][]int{j.drop, j.put} {
						for _, acts := range list {
							for _, i := range acts {
								failed[n][i] = err
							}
						}
					}
					return nil // the other groups go on
				}
			}
			blame(step.wanted, m.errs)
		}
		for value, acts := range j.look {
			there, err := b.holds(ctx, j.group, value)
			if there {
				err = fmt.Errorf("%q is a member of %q; the one or the other is spelled differently on the target now, so nothing was removed", value, j.group.dn)
			}
			if err != nil {
				blame(map[string][]int{value: acts}, map[string]error{value: err})
			}
		}
		return nil
	})
	for _, some := range failed {
		for i, err := range some {
			b.errs[i] = err
		}
	}
	return err
}

// modifier adds values to one group, or deletes them from it.
type modifier struct {
	*connector
	group  group
	remove bool
	errs   map[string]error // by value; what is not in it succeeded

	worked  bool  // some request was accepted
	refused int   // values refused in a row, one by one
	last    error // of these
}

// change makes one request of all values. If the server refuses it, the halves are
// tried, and so on: one bad value keeps nobody back and costs few requests. An error
// is of the connection, not of a value.
func (m *modifier) change(ctx context.Context, list []string) error {
	if m.refused >= giveUp && !m.worked {
		m.blame(list, fmt.Errorf("not tried, because %d others were refused: %w", m.refused, m.last))
		return nil
	}
	err := m.request(ctx, list)
	switch {
	case err == nil:
		m.worked = true
		return nil
	case !answered(err):
		return err
	case is(err, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultReferral, ldap.LDAPResultTimeLimitExceeded,
		ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired):
		m.blame(list, err) // whatever the values are
		return nil
	case len(list) > 1:
		if err := m.change(ctx, list[:len(list)/2]); err != nil {
			return err
		}
		return m.change(ctx, list[len(list)/2:])
	}
	if m.already(err) {
		return nil
	}
	// What counts is what the group holds. Servers have many words for "already so".
	if there, herr := m.holds(ctx, m.group, list[0]); herr == nil && there != m.remove {
		return nil
	} else if herr != nil && !answered(herr) {
		return herr
	}
	if resultCode(err) != resultCode(m.last) {
		m.refused = 0
	}
	m.refused, m.last = m.refused+1, err
	m.blame(list, err)
	return nil
}

func (m *modifier) blame(list []string, err error) {
	for _, v := range list {
		m.errs[v] = err
	}
}

// resultCode is the server's answer, as a number.
func resultCode(err error) uint16 {
	var le *ldap.Error
	if errors.As(err, &le) {
		return le.ResultCode
	}
	return 0
}

// already reports whether the answer itself says that the group is as wanted.
func (m *modifier) already(err error) bool {
	if m.remove {
		return is(err, ldap.LDAPResultNoSuchAttribute)
	}
	return is(err, ldap.LDAPResultAttributeOrValueExists)
}

// request is one Modify, which succeeds or fails as a whole. The control lets servers
// that know it, OpenLDAP and Active Directory among them, take for done what is
// already so.
func (m *modifier) request(ctx context.Context, list []string) error {
	placeholder := false
	for try := 1; ; try++ {
		req := ldap.NewModifyRequest(m.group.dn, []ldap.Control{
			ldap.NewControlString(ldap.ControlTypeMicrosoftPermissiveModify, false, ""),
		})
		if placeholder {
			req.Add(m.group.attr, []string{m.placeholder.String()})
		}
		if m.remove {
			req.Delete(m.group.attr, list)
		} else {
			req.Add(m.group.attr, list)
		}
		err := m.pool.do(ctx, func(l *conn) error { return l.Modify(req) })
		switch {
		case try == attempts || !m.remove || m.group.attr == attrMemberUid:
			return err
		case !placeholder && is(err, ldap.LDAPResultObjectClassViolation):
			placeholder = true // the last member goes: the same request puts the placeholder there
		case placeholder && is(err, ldap.LDAPResultAttributeOrValueExists):
			placeholder = false // somebody else was faster
		case placeholder && answered(err):
			return fmt.Errorf("the last member cannot go, because the server does not take the placeholder %q; set placeholder to a DN that it takes: %w", m.placeholder, err)
		default:
			return err
		}
	}
}
