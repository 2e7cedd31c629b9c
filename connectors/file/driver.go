// Package file is the connector for systems that read who may do what from one
// file: sudoers, Apache group files, sshd's authorized principals, or a format of
// the operator's own. It changes that file and runs the operator's own commands
// around the change; it knows nothing of the system that reads the file.
//
// The file itself is what Observe reads, so that an edit by another hand shows as
// drift. Formats with comments keep Tenure's lines in a marked block and never
// touch a line outside of it; csv and json files are changed entry by entry; a file
// from the operator's own template belongs to Tenure whole and is recognised by its
// hash.
package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Driver opens managed files. Its entitlements are {group: NAME}.
type Driver struct{}

// Name is "file".
func (Driver) Name() string { return "file" }

// Canonical returns group=NAME. Whether the name suits the file's format is known
// only to the target's settings and is checked when it is granted.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	pairs, err := connectors.DecodeSpec(spec, "group")
	if err != nil {
		return "", fmt.Errorf("file entitlement: %w (want {group: NAME})", err)
	}
	return connectors.Format(pairs), nil
}

// settings is one file target in the reconciler's configuration.
type settings struct {
	Path     string            `setting:"path,required"` // absolute
	Format   string            `setting:"format"`        // a built-in format, or
	Template string            `setting:"template,file"` // text/template over [View]
	Group    string            `setting:"group"`         // of formats with one account a line
	Rules    map[string]string `setting:"rules"`         // sudoers: group -> what follows the user
	Mode     string            `setting:"mode"`          // octal; default: the file's own, for a new one 0640 (sudoers 0440)
	Owner    string            `setting:"owner"`         // user or user:group; default: the file's own
	Validate []string          `setting:"validate"`      // command and arguments; {} is the new file
	Reload   []string          `setting:"reload"`        // command and arguments, after the swap
	Timeout  time.Duration     `setting:"timeout"`       // of each command

	MustExist bool `setting:"mustExist"` // a file that is not there is an error
}

// Open checks the settings and, when the last run ended before it could reload,
// makes up for that; whether it could is seen by the next act and by Check. The file
// need not exist yet, its directory must; what mustExist asks for is an error of every
// later call.
func (Driver) Open(ctx context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	c, err := open(target, s)
	if err != nil {
		return nil, err
	}
	pay, cancel := context.WithTimeout(ctx, c.timeout) // another writer may have the lock
	defer cancel()
	if err := c.payReload(pay); err != nil && ctx.Err() != nil {
		return nil, err
	}
	return c, nil
}

func open(target string, s connectors.Settings) (*connector, error) {
	set := settings{Timeout: 30 * time.Second}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(set.Path) || filepath.Clean(set.Path) != set.Path {
		return nil, errors.New("setting path must be an absolute path, without dot segments")
	}
	f, err := newFormat(target, set)
	if err != nil {
		return nil, err
	}
	c := &connector{
		target: target, format: f, path: set.Path, uid: -1, gid: -1,
		validate: set.Validate, reload: set.Reload, timeout: set.Timeout,
		mustExist: set.MustExist,
	}
	if len(c.validate) > 0 && !strings.Contains(strings.Join(c.validate[1:], "\x00"), "{}") {
		return nil, errors.New("setting validate must name the new file as {}")
	}
	c.newMode = 0o640
	if set.Format == "sudoers" {
		c.newMode = 0o440
	}
	if set.Mode != "" {
		m, err := strconv.ParseUint(set.Mode, 8, 12)
		if err != nil || m > 0o777 {
			return nil, errors.New("setting mode must be octal text such as \"0640\"")
		}
		c.newMode, c.forceMode = os.FileMode(m), true
	}
	if set.Owner != "" {
		if c.uid, c.gid, err = lookupOwner(set.Owner); err != nil {
			return nil, fmt.Errorf("setting owner: %w", err)
		}
	}
	st, err := os.Stat(filepath.Dir(c.path))
	if err != nil {
		return nil, fmt.Errorf("directory of setting path: %w", err)
	}
	if !st.IsDir() {
		return nil, errors.New("directory of setting path is not a directory")
	}
	return c, nil
}

// newFormat makes the one format that the settings name.
func newFormat(target string, s settings) (format, error) {
	formats := map[string]func() (format, error){
		"sudoers":               func() (format, error) { return newSudoers(s.Rules) },
		"htgroup":               func() (format, error) { return blockFormat{htgroup{}}, nil },
		"authorized_principals": func() (format, error) { return newSingle(s.Group, principals{}) },
		"lines":                 func() (format, error) { return newSingle(s.Group, plainLines{}) },
		"csv":                   func() (format, error) { return csvFormat{}, nil },
		"json":                  func() (format, error) { return jsonFormat{}, nil },
	}
	switch {
	case s.Format != "" && s.Template != "":
		return nil, errors.New("settings format and template are both given; keep one")
	case s.Template != "":
		return newCustom(target, s.Template)
	case formats[s.Format] == nil:
		return nil, errors.New("setting format must be sudoers, htgroup, authorized_principals, lines, csv or json; or give template or templateFile")
	case len(s.Rules) > 0 && s.Format != "sudoers":
		return nil, fmt.Errorf("setting rules is for format sudoers, not %s", s.Format)
	case s.Group != "" && s.Format != "lines" && s.Format != "authorized_principals":
		return nil, fmt.Errorf("setting group is for formats with one account a line, not %s", s.Format)
	}
	return formats[s.Format]()
}

// pairOf reads a grant; the entitlement is group=NAME.
func pairOf(g grants.Grant) (pair, error) {
	e, err := connectors.DecodeEntitlement(g.Entitlement, "group")
	if err != nil {
		return pair{}, err
	}
	return pair{e["group"], g.Account}, nil
}
