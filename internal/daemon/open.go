package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/gitea"
	"github.com/tenure-dev/tenure/internal/forge/github"
	"github.com/tenure-dev/tenure/internal/forge/gitlab"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/open"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/source"
)

// OpenLedger opens the configured ledger for the reconciler.
func OpenLedger(ctx context.Context, cfg *config.Config, now func() time.Time) (*ledger.Ledger, error) {
	return open.Open(ctx, ledgerURL(cfg), now)
}

// OperateLedger opens it for an operator's word, beside a running reconciler.
func OperateLedger(ctx context.Context, cfg *config.Config, now func() time.Time) (*ledger.Ledger, error) {
	return open.Operator(ctx, ledgerURL(cfg), now)
}

// ReadLedger opens it for looking, beside a running reconciler.
func ReadLedger(ctx context.Context, cfg *config.Config, now func() time.Time) (*ledger.Ledger, error) {
	return open.ReadOnly(ctx, ledgerURL(cfg), now)
}

func ledgerURL(cfg *config.Config) string {
	if cfg.Ledger.Kind == config.Postgres {
		return cfg.Ledger.URL.Reveal()
	}
	return (&url.URL{Scheme: "sqlite", Path: cfg.Ledger.Path}).String()
}

// OpenTargets opens every configured target. All that is wrong is reported at
// once.
func OpenTargets(ctx context.Context, cfg *config.Config, reg *connectors.Registry) (map[string]connectors.Connector, error) {
	out := make(map[string]connectors.Connector, len(cfg.Targets))
	var errs *multierror.Error
	for name, t := range cfg.Targets {
		driver, err := reg.Lookup(t.Connector)
		if err != nil {
			errs = multierror.Append(errs, fmt.Errorf("target %s: %w", name, err))
			continue
		}
		c, err := driver.Open(ctx, name, connectors.Settings(t.Settings))
		if err != nil {
			errs = multierror.Append(errs, fmt.Errorf("target %s: %w", name, err))
			continue
		}
		out[name] = c
	}
	return out, errs.ErrorOrNil()
}

// OpenForge makes the forge's client; it asks nothing yet.
func OpenForge(cfg *config.Config, now func() time.Time) (forge.Client, error) {
	f, branch, token := cfg.Forge, cfg.Repository.Branch, cfg.Forge.Token.Reveal()
	switch f.Type {
	case config.Gitea:
		return gitea.New(gitea.Config{Repo: f.Repository, Branch: branch, BaseURL: f.BaseURL, Token: token, Now: now})
	case config.GitLab:
		return gitlab.New(gitlab.Config{Repo: f.Repository, Branch: branch, BaseURL: f.BaseURL, Token: token, Now: now})
	}
	return github.New(github.Config{
		Repo: f.Repository, Branch: branch, BaseURL: f.BaseURL, Token: token, Now: now,
		AppID: f.AppID, InstallationID: f.InstallationID, PrivateKeyFile: f.PrivateKeyFile,
	})
}

// OpenSource opens the local copy of the access repository; it fetches nothing
// yet.
func OpenSource(ctx context.Context, cfg *config.Config, client forge.Client) (*source.Repo, error) {
	return source.Open(ctx, source.Config{URL: cfg.Repository.URL, Branch: cfg.Repository.Branch, Dir: cfg.StateDir + "/repository", Auth: gitAuth(cfg, client)})
}

func gitAuth(cfg *config.Config, client forge.Client) source.AuthFunc {
	switch {
	case cfg.SSH.KeyFile != "":
		return source.SSHKeyAuth(cfg.SSH.KeyFile, cfg.SSH.KnownHostsFile)
	case cfg.Repository.Host == "":
		return nil // a local path needs no login
	case !cfg.Git.Token.IsZero():
		return source.TokenAuth(func(context.Context) (string, error) { return cfg.Git.Token.Reveal(), nil })
	}
	return source.TokenAuth(client.Token)
}

// gatherer reads evidence from the forge and the branch's own history.
type gatherer struct {
	client forge.Client
	repo   *source.Repo
	branch string
	now    func() time.Time
}

func (g gatherer) Repository(ctx context.Context) (forge.Repository, error) {
	return g.client.Repository(ctx)
}

func (g gatherer) Evidence(ctx context.Context, id int64, in forge.Introduction) (forge.Evidence, error) {
	return forge.Gather(ctx, g.client, g.repo, forge.GatherInput{Introduction: in, RepositoryID: id, Branch: g.branch, Now: g.now})
}

// Canonical finds the one spelling of an entitlement through the list of drivers.
func Canonical(reg *connectors.Registry) policy.Canonical {
	return func(connector string, spec map[string]any) (string, error) {
		d, err := reg.Lookup(connector)
		if err != nil {
			return "", err
		}
		return d.Canonical(connectors.Spec(spec))
	}
}

// withoutURL takes the address out of an HTTP error: it may hold a secret.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
