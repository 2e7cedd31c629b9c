package aws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

const (
	// callTimeout bounds one attempt of one request, besides the caller's context.
	callTimeout = 30 * time.Second
	// attempts of one call, and the longest pause between two of them.
	attempts = 8
	maxPause = 10 * time.Second
	// iamRegion is where the requests of a global service are signed for.
	iamRegion = "us-east-1"
)

// clients are made at first use: looking for credentials may ask the network.
type clients struct {
	set *settings

	mu     sync.Mutex
	ready  bool
	http   *http.Client
	iam    *iam.Client
	sso    *ssoadmin.Client
	store  *identitystore.Client
	sts    *sts.Client
	caller *caller // once AWS has said who we are
}

// caller is whom the credentials are of.
type caller struct {
	account   string
	partition string // aws, aws-cn, …
	principal string // a user's name, or role:NAME
}

func newClients(set *settings) *clients { return &clients{set: set} }

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
}

// builder makes the HTTP client that the SDK may still give the certificates of
// AWS_CA_BUNDLE to.
func builder() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(callTimeout).WithTransportOptions(func(t *http.Transport) {
		t.IdleConnTimeout = 30 * time.Second
		t.MaxIdleConnsPerHost = 2 * parallel
		t.TLSClientConfig.MinVersion = tls.VersionTLS12
	})
}

// prepare finds the credentials and makes the clients. A failure is not kept.
func (c *clients) prepare(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready {
		return nil
	}
	region := c.set.Region
	if region == "" {
		region = iamRegion
	}
	options := []func(*config.LoadOptions) error{
		config.WithRegion(region), config.WithHTTPClient(builder()), config.WithRetryer(retryer), config.WithAppID("tenure"), config.WithLogger(logging.Nop{}),
	}
	if c.set.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.set.AccessKey, c.set.SecretKey, c.set.Token)))
	}
	if c.set.Endpoint != "" {
		options = append(options, config.WithBaseEndpoint(c.set.Endpoint))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return fmt.Errorf("find the credentials: %w", err)
	}
	if built, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		c.http = &http.Client{
			Transport: genuine{built.GetTransport()}, Timeout: callTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		cfg.HTTPClient = c.http
	}
	if c.set.AssumeRole != "" {
		cfg.Credentials = sdk.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), c.set.AssumeRole, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "tenure"
			if c.set.ExternalID != "" {
				o.ExternalID = &c.set.ExternalID
			}
		}))
	}
	c.iam, c.sso, c.store, c.sts = iam.NewFromConfig(cfg), ssoadmin.NewFromConfig(cfg), identitystore.NewFromConfig(cfg), sts.NewFromConfig(cfg)
	c.ready = true
	return nil
}

// retryer tries again what was throttled or met another change, slows all calls down
// when AWS throttles, and waits where an answer says how long.
func retryer() sdk.Retryer {
	return retry.NewAdaptiveMode(func(a *retry.AdaptiveModeOptions) {
		a.StandardOptions = append(a.StandardOptions, func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.Backoff = backoff{retry.NewExponentialJitterBackoff(maxPause)}
			o.Retryables = append([]retry.IsErrorRetryable{notWhileDown{}, retry.RetryableErrorCode{Codes: map[string]struct{}{
				"ConcurrentModification": {}, "ConcurrentModificationException": {}, "EntityTemporarilyUnmodifiable": {},
				"ServiceFailure": {}, "InternalServerException": {},
			}}}, o.Retryables...)
		})
	})
}

// backoff honours Retry-After, in seconds, up to the longest pause.
type backoff struct{ usual retry.BackoffDelayer }

func (b backoff) BackoffDelay(attempt int, err error) (time.Duration, error) {
	usual, fault := b.usual.BackoffDelay(attempt, err)
	if told := retryAfter(err); told > usual {
		return min(told, maxPause), fault
	}
	return usual, fault
}

// whoAmI asks once whom the credentials are of.
func (c *clients) whoAmI(ctx context.Context) (*caller, error) {
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	known := c.caller
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	out, err := c.sts.GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("ask whom the credentials are of: %w", err)
	}
	// arn:PARTITION:iam::ACCOUNT:user/PATH/NAME or
	// arn:PARTITION:sts::ACCOUNT:assumed-role/NAME/SESSION
	parts := strings.SplitN(sdk.ToString(out.Arn), ":", 6)
	if len(parts) != 6 || sdk.ToString(out.Account) == "" {
		return nil, errors.New("ask whom the credentials are of: AWS gave an answer that is none")
	}
	who := &caller{account: *out.Account, partition: parts[1]}
	names := strings.Split(parts[5], "/")
	switch {
	case names[0] == "user":
		who.principal = names[len(names)-1]
	case names[0] == "assumed-role" && len(names) == 3:
		who.principal = rolePrefix + names[1]
	}
	c.mu.Lock()
	c.caller = who
	c.mu.Unlock()
	return who, nil
}
