// Package all is the list of connectors that this build knows. It is the one place
// to add a line to; it must hold nothing else.
package all

import (
	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws"
	"github.com/tenure-dev/tenure/connectors/azure"
	"github.com/tenure-dev/tenure/connectors/exec"
	"github.com/tenure-dev/tenure/connectors/file"
	"github.com/tenure-dev/tenure/connectors/gcp"
	"github.com/tenure-dev/tenure/connectors/gitea"
	"github.com/tenure-dev/tenure/connectors/github"
	"github.com/tenure-dev/tenure/connectors/http"
	"github.com/tenure-dev/tenure/connectors/keycloak"
	"github.com/tenure-dev/tenure/connectors/kubernetes"
	"github.com/tenure-dev/tenure/connectors/ldap"
	"github.com/tenure-dev/tenure/connectors/mysql"
	"github.com/tenure-dev/tenure/connectors/okta"
	"github.com/tenure-dev/tenure/connectors/postgres"
	"github.com/tenure-dev/tenure/connectors/rabbitmq"
	"github.com/tenure-dev/tenure/connectors/redis"
	"github.com/tenure-dev/tenure/connectors/scim"
	"github.com/tenure-dev/tenure/connectors/ssh"
	"github.com/tenure-dev/tenure/connectors/vault"
)

// Drivers returns one driver of each kind, for [connectors.NewRegistry].
func Drivers() []connectors.Driver {
	return []connectors.Driver{
		aws.Driver{},
		azure.Driver{},
		exec.Driver{},
		file.Driver{},
		gcp.Driver{},
		gitea.Driver{},
		github.Driver{},
		http.Driver{},
		keycloak.Driver{},
		kubernetes.Driver{},
		ldap.Driver{},
		mysql.Driver{},
		okta.Driver{},
		postgres.Driver{},
		rabbitmq.Driver{},
		redis.Driver{},
		scim.Driver{},
		ssh.Driver{},
		vault.Driver{},
	}
}
