package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/schema"
)

// configKind prints the schema of the reconciler's own configuration.
const configKind = "config"

func (a *app) schemaCmd() *cobra.Command {
	kinds := append(schema.Kinds(), configKind)
	return &cobra.Command{
		Use:   "schema [KIND]",
		Short: "Print the JSON Schema of a document kind, or list the kinds",
		Long: `Print the JSON Schema of a document kind, for editors and other tools.
"config" is the reconciler's own configuration, reconciler.yaml.

Kinds: ` + strings.Join(kinds, ", "),
		Example: `  reconciler schema
  reconciler schema AccessRequest > access-request.schema.json
  reconciler schema config`,
		Args:      arguments("[KIND]"),
		ValidArgs: kinds,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				for _, k := range kinds {
					fmt.Fprintln(a.out, k)
				}
				return nil
			}
			if args[0] == configKind {
				_, err := a.out.Write(config.Schema())
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
