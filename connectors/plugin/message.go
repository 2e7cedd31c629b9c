package plugin

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Protocol is the version that every message carries.
const Protocol = "tenure.plugin/v1"

// MaxAnswer bounds an answer, in bytes; about 80,000 grants. A longer one is an
// error, never cut.
const MaxAnswer = 8 << 20

// maxActs bounds the acts of one message; a larger batch is several of them.
const maxActs = 500

// until is written in UTC with exactly six decimals, so that every language reads
// it the same way.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// The calls of the protocol.
const (
	callHello       = "hello"
	callObserve     = "observe"
	callApply       = "apply"
	callEndSessions = "endSessions"
	callCheck       = "check"
)

type request struct {
	Protocol string        `json:"protocol"`
	ID       string        `json:"id"` // never used twice; the answer repeats it
	Target   string        `json:"target"`
	Call     string        `json:"call"`
	Scope    []entitlement `json:"scope,omitempty"` // of observe and check
	Acts     []act         `json:"acts,omitempty"`  // of apply
	Lost     []holding     `json:"lost,omitempty"`  // of endSessions
}

// entitlement is a role, and what it is a role of where the system has such things.
type entitlement struct {
	Role     string `json:"role"`
	Resource string `json:"resource,omitempty"`
}

type holding struct {
	Account     string      `json:"account"`
	Entitlement entitlement `json:"entitlement"`
}

type act struct {
	ID int    `json:"id"`
	Op string `json:"op"` // grant or revoke
	holding
	Until string `json:"until,omitempty"` // of a grant that has an end
}

// answer is what all calls answer with, each its own part; the schema says which.
type answer struct {
	Protocol string    `json:"protocol"`
	ID       string    `json:"id"`
	Error    *failure  `json:"error"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Able     []string  `json:"abilities"`
	Complete bool      `json:"complete"`
	Grants   []holding `json:"grants"`
	Results  []result  `json:"results"`
	Problems []string  `json:"problems"`
}

type result struct {
	ID    int      `json:"id"`
	OK    bool     `json:"ok"`
	Error *failure `json:"error"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// codeNoAccount is the failure that callers decide on: [connectors.ErrNoAccount].
const codeNoAccount = "noAccount"

// Canonical is the one grammar of all plug-ins: {role: NAME}, or {role: NAME,
// resource: NAME}. It is fixed because CI has no plug-in to ask.
func Canonical(spec connectors.Spec) (string, error) {
	keys := []string{"role"}
	if _, ok := spec["resource"]; ok {
		keys = append(keys, "resource")
	}
	pairs, err := connectors.DecodeSpec(spec, keys...)
	if err == nil {
		for _, v := range pairs {
			if err = exact(v); err != nil {
				break
			}
		}
	}
	if err != nil {
		return "", fmt.Errorf("plug-in entitlement: %w (want {role: NAME} or {role: NAME, resource: NAME})", err)
	}
	return connectors.Format(pairs), nil
}

func (e entitlement) canonical() string {
	pairs := map[string]string{"role": e.Role}
	if e.Resource != "" {
		pairs["resource"] = e.Resource
	}
	return connectors.Format(pairs)
}

func decode(text string) (entitlement, error) {
	keys := []string{"role"}
	if pairs, err := connectors.Parse(text); err == nil && pairs["resource"] != "" {
		keys = append(keys, "resource")
	}
	pairs, err := connectors.DecodeEntitlement(text, keys...)
	if err != nil {
		return entitlement{}, err
	}
	e := entitlement{Role: pairs["role"], Resource: pairs["resource"]}
	for _, v := range pairs {
		if err := exact(v); err != nil {
			return entitlement{}, err
		}
	}
	return e, nil
}

func decodeAll(scope []string) ([]entitlement, error) {
	out := make([]entitlement, len(scope))
	for i, text := range scope {
		var err error
		if out[i], err = decode(text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func toHolding(g grants.Grant) (holding, error) {
	e, err := decode(g.Entitlement)
	if err != nil {
		return holding{}, err
	}
	if err := exact(g.Account); err != nil {
		return holding{}, err
	}
	return holding{g.Account, e}, nil
}

// exact refuses what JSON cannot carry unchanged: a byte that is not UTF-8, or half
// of a surrogate pair, arrives as U+FFFD, and two names would become one.
func exact(name string) error {
	if name == "" || !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError) {
		return fmt.Errorf("name %+q is empty or not plain UTF-8, so it cannot be sent exactly", name)
	}
	return nil
}

func toAct(id int, a connectors.Act) (act, error) {
	h, err := toHolding(a.Grant)
	if err != nil {
		return act{}, err
	}
	if a.Revoke {
		return act{ID: id, Op: "revoke", holding: h}, nil
	}
	out := act{ID: id, Op: "grant", holding: h}
	if !a.Until.IsZero() {
		out.Until = a.Until.UTC().Truncate(time.Microsecond).Format(timeLayout)
	}
	return out, nil
}
