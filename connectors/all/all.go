// Package all is the list of connectors that this build knows. It is the one place
// to add a line to; it must hold nothing else.
package all

import (
	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws"
	"github.com/tenure-dev/tenure/connectors/exec"
	"github.com/tenure-dev/tenure/connectors/file"
	"github.com/tenure-dev/tenure/connectors/http"
	"github.com/tenure-dev/tenure/connectors/kubernetes"
	"github.com/tenure-dev/tenure/connectors/mysql"
	"github.com/tenure-dev/tenure/connectors/postgres"
)

// Drivers returns one driver of each kind, for [connectors.NewRegistry].
func Drivers() []connectors.Driver {
	return []connectors.Driver{
		aws.Driver{},
		exec.Driver{},
		file.Driver{},
		http.Driver{},
		kubernetes.Driver{},
		mysql.Driver{},
		postgres.Driver{},
	}
}
