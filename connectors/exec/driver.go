// Package exec is the connector for plug-ins that are programs: each call is one
// process, which reads one message and writes one. It starts, bounds and ends these
// processes; what they say is the business of connectors/plugin.
package exec

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/plugin"
)

// Driver opens plug-ins that are programs. Entitlements are {role: NAME} or
// {role: NAME, resource: NAME}.
type Driver struct{}

// Name is "exec".
func (Driver) Name() string { return "exec" }

// Canonical returns role=NAME, after resource=NAME where there is one.
func (Driver) Canonical(spec connectors.Spec) (string, error) { return plugin.Canonical(spec) }

//go:embed schema/settings.json
var settingsSchema []byte

// Describe returns the JSON Schemas of settings and entitlements.
func (Driver) Describe() connectors.Description {
	return connectors.Description{Settings: settingsSchema, Entitlement: plugin.EntitlementSchema()}
}

// settings is one target in the reconciler's configuration.
type settings struct {
	Command   []string          `setting:"command,required"` // program, absolute, and arguments
	Env       map[string]string `setting:"env"`              // all that it sees of an environment
	Dir       string            `setting:"dir"`              // where it runs; default: /
	Abilities []string          `setting:"abilities"`        // sessions, expiry
	Timeout   time.Duration     `setting:"timeout"`          // of one process
	Processes int               `setting:"processes"`        // at once
}

// maxProcesses bounds the setting processes.
const maxProcesses = 64

// Open checks the settings. The program is first started by the first call.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{Dir: "/", Timeout: 30 * time.Second, Processes: 4}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if len(set.Command) == 0 {
		return nil, errors.New("setting command must name a program")
	}
	program := set.Command[0]
	if !filepath.IsAbs(program) || filepath.Clean(program) != program {
		return nil, errors.New("setting command must start with the absolute path of a program, without dot segments")
	}
	if st, err := os.Stat(program); err != nil || !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0 {
		return nil, errors.New("setting command does not start with a program that can be run")
	}
	if !filepath.IsAbs(set.Dir) {
		return nil, errors.New("setting dir must be an absolute path")
	}
	if set.Processes < 1 || set.Processes > maxProcesses {
		return nil, fmt.Errorf("setting processes must be from 1 to %d", maxProcesses)
	}
	p := &process{
		command: set.Command, dir: set.Dir, env: []string{}, timeout: set.Timeout,
		slots: make(chan struct{}, set.Processes), clean: plugin.NewCleaner(slices.Collect(maps.Values(set.Env))...),
	}
	for _, name := range slices.Sorted(maps.Keys(set.Env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(set.Env[name], 0) {
			return nil, errors.New("setting env: " + strconv.Quote(name) + " is not a variable, or its value holds a zero byte")
		}
		p.env = append(p.env, name+"="+set.Env[name])
	}
	return plugin.New(plugin.Options{
		Target: target, Transport: p, Abilities: set.Abilities, Secrets: slices.Collect(maps.Values(set.Env)),
	})
}
