package archtest_test

// module is the path of this module; the names below are relative to it.
const module = "github.com/tenure-dev/tenure"

// rule says what the code of a package, without its tests, may import.
type rule struct {
	packages []string // of this module; "*" stands for any
	external []string // modules, by prefix; nil: any that is not kept (see kept)
	kept     []string // of the kept libraries, those that this package may use
	testing  bool     // it is a helper for tests and may import testing
}

// none forbids every library outside the standard one.
var none = []string{}

// kept are libraries that only the packages that name them may import: drivers,
// clients and frameworks, which must be replaceable.
var kept = []string{
	"cel.dev/cel-go",
	"code.gitea.io/sdk",
	"github.com/Azure/azure-sdk-for-go",
	"github.com/aws/aws-sdk-go-v2",
	"github.com/aws/smithy-go",
	"github.com/bradleyfalzon/ghinstallation",
	"github.com/getkin/kin-openapi",
	"github.com/go-git/go-git",
	"github.com/go-ldap/ldap",
	"github.com/go-sql-driver/mysql",
	"github.com/gofri/go-github-ratelimit",
	"github.com/golang-jwt/jwt",
	"github.com/google/go-github",
	"github.com/hashicorp/vault",
	"github.com/jackc/pgx",
	"github.com/pressly/goose",
	"github.com/prometheus/client_golang",
	"github.com/rabbitmq/amqp091-go",
	"github.com/redis/go-redis",
	"github.com/riverqueue/river",
	"github.com/rogpeppe/go-internal",
	"github.com/spf13/cobra",
	"github.com/vektah/gqlparser",
	"gitlab.com/gitlab-org/api/client-go",
	"golang.org/x/oauth2",
	"k8s.io/api",
	"k8s.io/apimachinery",
	"k8s.io/client-go",
	"modernc.org/sqlite",
	"pgregory.net/rapid",
}

var rules = map[string]rule{
	"grants": {external: []string{"github.com/robfig/cron"}},
	"schema": {
		packages: []string{"grants"},
		external: []string{
			"github.com/hashicorp/go-multierror", "github.com/robfig/cron", "golang.org/x/text",
			"gopkg.in/yaml.v3", "github.com/santhosh-tekuri/jsonschema",
		},
	},

	"connectors":             {packages: []string{"grants"}, external: []string{"github.com/hashicorp/go-multierror", "golang.org/x/sync", "golang.org/x/text"}},
	"connectors/all":         {packages: []string{"connectors", "connectors/*"}, external: none},
	"connectors/conformance": {packages: []string{"connectors", "grants"}, testing: true},
	"connectors/exec":        {packages: []string{"connectors", "connectors/plugin"}, external: []string{"golang.org/x/sys"}},
	"connectors/aws":         {packages: []string{"connectors", "grants"}, kept: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go"}},
	"connectors/azure":       {packages: []string{"connectors", "grants"}, kept: []string{"github.com/Azure/azure-sdk-for-go"}},
	"connectors/file":        {packages: []string{"connectors", "grants"}, external: []string{"golang.org/x/sys", "golang.org/x/text"}},
	"connectors/gcp":         {packages: []string{"connectors", "grants"}, kept: []string{"golang.org/x/oauth2"}},
	"connectors/gitea":       {packages: []string{"connectors", "connectors/holders", "grants", "internal/giteaapi", "internal/webclient"}, kept: []string{"code.gitea.io/sdk"}},
	"connectors/github":      {packages: []string{"connectors", "connectors/holders", "grants", "internal/githubapi", "internal/webclient"}, kept: []string{"github.com/google/go-github", "github.com/bradleyfalzon/ghinstallation"}},
	"connectors/holders":     {packages: []string{"connectors", "grants"}, external: none},
	"connectors/group":       {packages: []string{"connectors"}, external: none},
	"connectors/http":        {packages: []string{"connectors", "connectors/plugin"}, external: none},
	"connectors/keycloak":    {packages: []string{"connectors", "connectors/rest", "grants"}, external: none},
	"connectors/kubernetes":  {packages: []string{"connectors", "grants"}, kept: []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go"}},
	"connectors/ldap":        {packages: []string{"connectors", "grants"}, kept: []string{"github.com/go-ldap/ldap"}},
	"connectors/mysql":       {packages: []string{"connectors", "grants"}, kept: []string{"github.com/go-sql-driver/mysql"}},
	"connectors/okta":        {packages: []string{"connectors", "connectors/group", "connectors/rest", "grants"}, kept: []string{"github.com/golang-jwt/jwt"}},
	"connectors/plugin":      {packages: []string{"connectors", "grants"}, external: []string{"github.com/santhosh-tekuri/jsonschema"}},
	"connectors/postgres":    {packages: []string{"connectors", "grants"}, kept: []string{"github.com/jackc/pgx"}},
	"connectors/vault":       {packages: []string{"connectors", "grants"}, kept: []string{"github.com/hashicorp/vault"}},
	"connectors/rabbitmq":    {packages: []string{"connectors", "grants"}, external: none},
	"connectors/redis":       {packages: []string{"connectors", "grants"}, kept: []string{"github.com/redis/go-redis"}},
	"connectors/rest":        {packages: []string{"connectors"}, external: []string{"golang.org/x/oauth2", "golang.org/x/sync"}, kept: []string{"golang.org/x/oauth2"}},
	"connectors/scim":        {packages: []string{"connectors", "connectors/group", "connectors/rest", "grants"}, external: none},

	"connectors/ssh":                 {packages: []string{"connectors", "connectors/ssh/onhost", "grants"}, external: []string{"golang.org/x/crypto"}},
	"connectors/ssh/onhost":          {external: none},
	"connectors/ssh/sshtest":         {packages: []string{"connectors/ssh/onhost", "internal/testserver"}, external: []string{"golang.org/x/crypto"}, testing: true},
	"connectors/faulty":              {external: none, testing: true},
	"connectors/azure/azuretest":     {packages: []string{"connectors/faulty"}, kept: []string{"github.com/Azure/azure-sdk-for-go"}, testing: true},
	"connectors/gcp/gcptest":         {packages: []string{"connectors/faulty"}, kept: []string{"cel.dev/cel-go"}, testing: true},
	"connectors/github/githubtest":   {packages: []string{"internal/minihub", "internal/minihub/hubcheck"}, external: none, testing: true},
	"connectors/plugin/check":        {packages: []string{"connectors", "grants"}, external: none},
	"connectors/kubernetes/kubetest": {packages: []string{"internal/testserver"}, testing: true},
	"connectors/mysql/mysqltest":     {packages: []string{"internal/testserver"}, kept: []string{"github.com/go-sql-driver/mysql"}, testing: true},
	"connectors/aws/awstest":         {packages: []string{"internal/testserver"}, kept: []string{"github.com/aws/aws-sdk-go-v2"}, testing: true},
	"connectors/plugin/plugintest":   {packages: []string{"connectors", "connectors/conformance", "grants"}, external: none, testing: true},

	"internal/policy": {
		packages: []string{"grants", "schema", "internal/forge"},
		external: []string{"cel.dev/cel-go", "cel.dev/expr", "github.com/hashicorp/go-multierror", "google.golang.org/protobuf"},
		kept:     []string{"cel.dev/cel-go"},
	},
	"internal/source": {kept: []string{"github.com/go-git/go-git"}},
	"internal/forge":  {packages: []string{"internal/webclient"}, external: none},
	"internal/forge/github": {
		packages: []string{"internal/forge", "internal/githubapi"},
		kept:     []string{"github.com/google/go-github", "github.com/bradleyfalzon/ghinstallation"},
	},
	"internal/githubapi": {kept: []string{"github.com/google/go-github", "github.com/bradleyfalzon/ghinstallation", "github.com/gofri/go-github-ratelimit"}},
	"internal/webclient": {external: none},
	"internal/giteaapi":  {kept: []string{"code.gitea.io/sdk"}},

	"internal/forge/gitea":           {packages: []string{"internal/forge", "internal/giteaapi"}, kept: []string{"code.gitea.io/sdk"}},
	"internal/forge/gitea/giteatest": {packages: []string{"internal/testserver"}, external: none, testing: true},
	"internal/forge/gitlab":          {packages: []string{"internal/forge"}, kept: []string{"gitlab.com/gitlab-org/api/client-go"}},
	"internal/forge/gitlab/minilab":  {external: none, testing: true},
	"internal/forge/forgetest": {
		packages: []string{"grants", "schema", "internal/forge", "internal/policy", "internal/source"},
		external: none, testing: true,
	},

	"internal/jobs":           {packages: []string{"grants", "internal/ledger"}, kept: []string{"github.com/riverqueue/river"}},
	"internal/ledger":         {packages: []string{"grants"}, external: none},
	"internal/ledger/migrate": {packages: []string{"internal/ledger"}, kept: []string{"github.com/pressly/goose"}},
	"internal/ledger/sqlite": {
		packages: []string{"grants", "internal/jobs", "internal/ledger", "internal/ledger/migrate"},
		kept:     []string{"modernc.org/sqlite", "github.com/pressly/goose", "github.com/riverqueue/river"},
	},
	"internal/ledger/postgres": {
		packages: []string{"grants", "internal/jobs", "internal/ledger", "internal/ledger/migrate"},
		kept:     []string{"github.com/jackc/pgx", "github.com/pressly/goose", "github.com/riverqueue/river"},
	},
	"internal/ledger/open": {
		packages: []string{"internal/ledger", "internal/ledger/postgres", "internal/ledger/sqlite", "internal/jobs"},
		kept:     []string{"github.com/riverqueue/river"},
	},
	"internal/ledger/ledgertest": {
		packages: []string{"grants", "internal/ledger", "internal/jobs", "internal/intake", "internal/reconcile"},
		kept:     []string{"pgregory.net/rapid"},
		testing:  true,
	},

	"internal/intake":    {packages: []string{"grants", "schema", "internal/forge", "internal/ledger", "internal/policy", "internal/source"}},
	"internal/reconcile": {packages: []string{"grants", "connectors", "internal/ledger"}},
	"internal/revert":    {packages: []string{"grants", "schema", "internal/forge", "internal/ledger", "internal/markdown", "internal/policy"}},
	"internal/markdown":  {external: none},
	"internal/pulls": {
		packages: []string{"grants", "schema", "internal/forge", "internal/intake", "internal/ledger", "internal/markdown", "internal/policy", "internal/reconcile"},
		external: []string{"github.com/hashicorp/go-multierror"},
	},

	"internal/config": {packages: []string{"schema"}, external: []string{"gopkg.in/yaml.v3", "github.com/robfig/cron"}},
	"internal/web":    {packages: []string{"internal/ledger"}, kept: []string{"github.com/prometheus/client_golang"}},

	"internal/codeowners": {packages: []string{"internal/policy", "schema"}, external: none},
	"internal/draft":      {packages: []string{"schema"}, external: []string{"gopkg.in/yaml.v3"}},
	"internal/propose":    {external: none},
	"internal/evidence":   {packages: []string{"grants", "internal/ledger"}, external: none},

	// The assembly: it knows every room and, except through them, no library.
	"internal/daemon": {
		packages: []string{
			"connectors", "grants", "schema", "internal/config", "internal/evidence", "internal/forge", "internal/forge/gitea", "internal/forge/github", "internal/forge/gitlab",
			"internal/intake", "internal/jobs", "internal/ledger", "internal/ledger/open", "internal/ledger/postgres",
			"internal/ledger/sqlite", "internal/policy", "internal/pulls", "internal/reconcile", "internal/revert", "internal/source", "internal/web",
		},
		external: []string{"github.com/hashicorp/go-multierror", "github.com/robfig/cron", "golang.org/x/sync"},
	},

	// Stand-ins for real servers, for the demo and for tests.
	"internal/minihub": {
		packages: []string{"internal/forge"},
		kept:     []string{"github.com/getkin/kin-openapi", "github.com/go-git/go-git", "github.com/google/go-github"},
		testing:  true,
	},
	"internal/minihub/hubcheck": {kept: []string{"github.com/getkin/kin-openapi", "github.com/vektah/gqlparser"}, testing: true},

	"internal/testserver": {external: none, testing: true},

	"internal/pgtest": {kept: []string{"github.com/jackc/pgx"}, testing: true},

	// The tests of the whole, and what sets their scene.
	"internal/e2e":       {external: none, testing: true},
	"internal/e2e/ways":  {external: none, testing: true},
	"internal/e2e/gitea": {external: none, testing: true},
	"internal/e2e/span":  {external: none, testing: true},
	"internal/e2e/stage": {
		packages: []string{
			"connectors", "connectors/all", "grants", "internal/config", "internal/daemon", "internal/forge", "internal/intake", "internal/ledger",
			"internal/minihub", "internal/minihub/hubcheck", "internal/policy", "internal/reconcile",
		},
		external: none, testing: true,
	},

	"internal/demo": {packages: []string{"*"}, kept: []string{"github.com/jackc/pgx", "github.com/go-git/go-git", "github.com/google/go-github"}},

	"examples":           {external: none},
	"internal/archtest":  {external: none},
	"internal/doctest":   {external: none},
	"scripts/testreport": {external: none},

	"cmd/reconciler": {packages: []string{"*"}, kept: kept},
}

// importers names all packages whose code may import one; tests may too.
var importers = map[string][]string{
	"connectors/aws/awstest":       nil,
	"connectors/all":               {"cmd/reconciler", "internal/demo", "internal/e2e/stage"},
	"connectors/conformance":       {"connectors/plugin/plugintest"},
	"connectors/mysql/mysqltest":   nil,
	"connectors/plugin/plugintest": nil,
	"connectors/ssh/sshtest":       nil,
	"examples":                     {"cmd/reconciler", "internal/demo"},
	"internal/archtest":            nil,
	"internal/daemon":              {"cmd/reconciler", "internal/demo", "internal/e2e/stage"},
	"internal/demo":                {"cmd/reconciler"},
	"internal/doctest":             nil,
	"internal/ledger/ledgertest":   nil,
	"internal/e2e":                 nil,
	"internal/e2e/ways":            nil,
	"internal/e2e/gitea":           nil,
	"internal/e2e/span":            nil,
	"internal/e2e/stage":           nil,
	"connectors/holders":           {"connectors/gitea", "connectors/github"},
	"connectors/github/githubtest": nil,
	"internal/minihub":             {"cmd/reconciler", "connectors/github/githubtest", "internal/demo", "internal/e2e/stage"},
	"internal/minihub/hubcheck":    {"connectors/github/githubtest", "internal/e2e/stage"},
	"internal/pgtest":              nil,
	"cmd/reconciler":               nil,

	"internal/githubapi":             {"connectors/github", "internal/forge/github"},
	"internal/giteaapi":              {"connectors/gitea", "internal/forge/gitea"},
	"internal/forge/forgetest":       nil,
	"internal/forge/gitea/giteatest": nil,
	"internal/forge/gitlab/minilab":  nil,
}
