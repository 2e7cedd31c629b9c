package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/plugin"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/schema"
)

// configKind prints the schema of the reconciler's own configuration.
const configKind = "config"

// pluginKind prints the schema of the messages between the reconciler and plug-ins.
const pluginKind = "plugin"

// connectorKind prints what one connector takes.
const connectorKind = "connector"

func (a *app) schemaCmd() *cobra.Command {
	kinds := append(schema.Kinds(), configKind, connectorKind, pluginKind)
	return &cobra.Command{
		Use:   "schema [KIND] [NAME]",
		Short: "Print the JSON Schema of a document kind, or list the kinds",
		Long: `Print the JSON Schema of a document kind, for editors and other tools.
"config" is the reconciler's own configuration, reconciler.yaml. "connector NAME"
is what a connector takes as a target's settings there and as a role's entitlement.
"plugin" is the messages between the reconciler and a plug-in.

Kinds: ` + strings.Join(kinds, ", "),
		Example: `  reconciler schema
  reconciler schema AccessRequest > access-request.schema.json
  reconciler schema config
  reconciler schema connector postgres`,
		Args:      arguments("[KIND]", "[NAME]"),
		ValidArgs: kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, k := range kinds {
					fmt.Fprintln(a.out, k)
				}
				return nil
			}
			if args[0] == connectorKind {
				return a.connectorSchema(args[1:])
			}
			if len(args) > 1 {
				return usage(cmd, fmt.Errorf("unexpected argument %q", args[1]))
			}
			if args[0] == configKind {
				_, err := a.out.Write(config.Schema())
				return err
			}
			if args[0] == pluginKind {
				_, err := a.out.Write(plugin.Schema())
				return err
			}
			text, ok := schema.JSONSchema(args[0])
			if !ok {
				hint := ""
				if k := nearest(args[0], kinds); k != "" {
					hint = fmt.Sprintf("; did you mean %q?", k)
				}
				return fmt.Errorf("unknown kind %q%s (kinds: %s)", args[0], hint, strings.Join(kinds, ", "))
			}
			_, err := io.WriteString(a.out, strings.TrimRight(string(text), "\n")+"\n")
			return err
		},
	}
}

// connectorSchema prints a connector's description, or lists the connectors.
func (a *app) connectorSchema(args []string) error {
	reg, err := registry()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		for _, name := range reg.Names() {
			fmt.Fprintln(a.out, name)
		}
		return nil
	}
	driver, err := reg.Lookup(args[0])
	if err != nil {
		return err
	}
	d, ok := connectors.Describe(driver)
	if !ok {
		return fmt.Errorf("connector %s does not describe itself", args[0])
	}
	text, err := json.MarshalIndent(map[string]json.RawMessage{"settings": d.Settings, "entitlement": d.Entitlement}, "", "  ")
	if err != nil {
		return fmt.Errorf("connector %s: %w", args[0], err)
	}
	_, err = a.out.Write(append(text, '\n'))
	return err
}
