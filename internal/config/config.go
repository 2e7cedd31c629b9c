// Package config reads the reconciler's own configuration, reconciler.yaml: where
// the access repository is, where the chain of trust starts, and how to log in to
// the forge, the ledger and every target.
//
// It decides nothing and connects to nothing. Its errors name keys, variables and
// files, and never print a value, because any value may be a secret.
package config

import (
	"time"
)

// Config is a complete configuration: every default is filled in.
type Config struct {
	Repository Repository
	Trust      Trust
	Forge      Forge
	Git        Git
	SSH        SSH
	Poll       Schedule // when to look for new commits
	Resync     Schedule // when to look for drift
	Ledger     Ledger
	Reverts    Reverts
	Guard      Guard
	Targets    map[string]Target // by the name of the target document
	Listen     string            // host:port; empty: no listener
	Webhook    Webhook
	StateDir   string // holds the copy of the access repository
	Evidence   Evidence
	Notify     Notify
	Timeouts   Timeouts

	// Warnings are things that work and should not stay so, such as a secret's
	// file that every user of the machine can read.
	Warnings Problems
}

// Repository is the access repository.
type Repository struct {
	URL    string // https, ssh, scp-like, or a local path; never with a password
	Host   string // of URL; empty for a local path
	Branch string
}

// Trust says where the chain of trust starts and who extends it.
type Trust struct {
	From           string // full commit hash, 40 lower-case hex digits
	Group          string
	Count          int // at least 1
	ApprovalsValid time.Duration
}

// Forge is the place where pull requests live. Exactly one way to log in is set:
// Token, or AppID with InstallationID and PrivateKeyFile.
type Forge struct {
	Type           string // one of the constants below
	AppID          int64
	InstallationID int64
	PrivateKeyFile string // path; read by whoever signs with it, so that it can be rotated
	Token          Secret
	BaseURL        string // of the API; empty: the forge's public one
	Repository     string // owner/name; on GitLab the whole path, with groups
	Report         bool   // set a status on open pull requests and keep one comment there
}

// The types of forges, and whether the reconciler tells on pull requests what they
// would bring.
const (
	GitHub = "github"
	Gitea  = "gitea" // also Forgejo
	GitLab = "gitlab"

	ReportAll  = "all"
	ReportNone = "none"
)

// Git is the login for fetching, where it differs from the forge's.
type Git struct{ Token Secret }

// SSH is the login for a repository over SSH.
type SSH struct {
	KeyFile        string // path
	KnownHostsFile string // path; required with KeyFile: no host is trusted on first use
}

// The kinds of ledger.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Ledger says where the ledger is.
type Ledger struct {
	Kind string // SQLite or Postgres
	Path string // of an SQLite file
	URL  Secret // of a PostgreSQL database
}

// Merge modes of revert pull requests.
const (
	MergeAuto   = "auto"
	MergeManual = "manual"
)

// Reverts says how expired files are removed.
type Reverts struct {
	Group time.Duration // expiries this close together share a pull request
	Merge string        // MergeAuto or MergeManual
	// ReviewAhead is how long before the end of standing access a pull request asks to
	// renew or remove it.
	ReviewAhead time.Duration
}

// Guard bounds the removals that one commit may cause on one target before an
// operator has to confirm them.
type Guard struct {
	MaxRemovals     int
	MaxRemovalRatio float64 // of what the target holds, 0 to 1
}

// Webhook is the push webhook of the forge; without a secret it is off.
type Webhook struct{ Secret Secret }

// Evidence is an append-only copy of the event chain outside the ledger.
type Evidence struct{ File string } // path of a JSON-lines file; empty: none

// Notify is where notices go.
type Notify struct{ URL Secret } // receives JSON by POST; empty: nowhere

// Timeouts bound one call to a target. An act that is not done by then may still
// take effect; the pass that runs at the deadline looks again.
type Timeouts struct {
	Act     time.Duration
	Observe time.Duration
}

// Defaults, where a key is left out.
const (
	DefaultBranch         = "main"
	DefaultTrustCount     = 1
	DefaultApprovalsValid = 7 * 24 * time.Hour
	DefaultPoll           = "30s"
	DefaultResync         = "@every 10m"
	DefaultLedger         = "sqlite:///var/lib/tenure/ledger.db"
	DefaultRevertGroup    = 5 * time.Minute
	DefaultReviewAhead    = 14 * 24 * time.Hour
	DefaultMaxRemovals    = 50
	DefaultMaxRatio       = 0.25
	DefaultListen         = "127.0.0.1:8080"
	DefaultStateDir       = "/var/lib/tenure"
	DefaultTimeout        = 30 * time.Second
)

// PollEvery returns when to look for new commits.
func (c *Config) PollEvery() Schedule { return c.Poll }

// ResyncEvery returns when to look for drift.
func (c *Config) ResyncEvery() Schedule { return c.Resync }
