package rabbitmq

import (
	"slices"
)

// row is the permission of one account in one virtual host, as the API shows it.
type row struct {
	User      string `json:"user,omitempty"`
	VHost     string `json:"vhost,omitempty"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// made is what stands in the place of another hand's expression where this connector
// itself has made the row. It matches nothing, and says why it is there. A row is a
// right by itself, to connect: one of another hand must not go with our last
// alternative, not even if it is empty.
const made = `^$(?#tenure)`

func (r *row) field(permission string) *string {
	switch permission {
	case "configure":
		return &r.Configure
	case "write":
		return &r.Write
	}
	return &r.Read
}

// with returns the row that has and lacks what is wanted; nil: no row at all. It is
// the same where there is nothing to do.
func (r *row) with(want map[entitlement]bool) (*row, error) {
	out := row{Configure: made}
	if r != nil {
		out = row{Configure: r.Configure, Write: r.Write, Read: r.Read}
	}
	ours := 0
	for _, permission := range permissions() {
		field := out.field(permission)
		x := readExpression(*field)
		had := len(x.ours)
		for _, e := range sorted(want) {
			if e.permission != permission {
				continue
			}
			a := e.alternative()
			switch has := slices.Contains(x.ours, a); {
			case want[e] && !has:
				if err := x.checkRest(); err != nil {
					return nil, err
				}
				x.ours = append(x.ours, a)
			case !want[e] && has:
				x.ours = slices.DeleteFunc(x.ours, func(s string) bool { return s == a })
			}
		}
		if len(x.ours) != had {
			*field = x.text()
		}
		ours += len(x.ours)
	}
	if ours == 0 && (r == nil || out.Configure == made && out.Write == "" && out.Read == "") {
		return nil, nil
	}
	return &out, nil
}

// same reports whether two rows allow the same in the same words.
func same(a, b *row) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Configure == b.Configure && a.Write == b.Write && a.Read == b.Read
}
