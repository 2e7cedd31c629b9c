// Package awstest runs what the tests of the aws connector ask instead of AWS: moto, an
// emulator of its calls by a third party that also checks signatures and rights, and an
// evaluator of its policies by another. Both are built by scripts/build-*. It is for
// tests only.
package awstest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tenure-dev/tenure/internal/testserver"
)

const (
	// Account is the account that moto emulates.
	Account = "123456789012"
	// Region is the one that the tests use.
	Region = "eu-central-1"
)

// Cloud is an emulated AWS with an administrator. Front is where the connector under test
// connects; the administrator goes past it.
type Cloud struct {
	Front *Front

	IAM   *iam.Client
	SSO   *ssoadmin.Client
	Store *identitystore.Client
	STS   *sts.Client

	Instance string // ARN of the instance of Identity Center
	StoreID  string // of its identity store
}

// Start starts moto, which ends with the test, and makes it check every call's signature
// and rights.
func Start(t testing.TB) *Cloud {
	t.Helper()
	dir := testserver.Built(t, "moto")
	address := testserver.Address(t)
	host, port, _ := strings.Cut(address, ":")
	testserver.Start(t, testserver.Program{
		Path: filepath.Join(dir, "bin", "python"),
		Args: []string{"-c", "from moto.server import main; main()", "-H", host, "-p", port},
		Env:  []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "MOTO_IAM_LOAD_MANAGED_POLICIES=true"}, Ready: testserver.Dial(address),
	})
	c := &Cloud{Front: NewFront(t, address)}
	c.connect(address, "setup", "setup")
	id, secret := c.Key(t, "admin", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`)
	answer, err := http.Post("http://"+address+"/moto-api/reset-auth", "text/plain", strings.NewReader("0"))
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("switch moto's checks on: %v", err)
	}
	answer.Body.Close()
	c.connect(address, id, secret)
	instances, err := c.SSO.ListInstances(t.Context(), &ssoadmin.ListInstancesInput{})
	if err != nil || len(instances.Instances) != 1 {
		t.Fatalf("list instances: %v", err)
	}
	c.Instance, c.StoreID = *instances.Instances[0].InstanceArn, *instances.Instances[0].IdentityStoreId
	return c
}

func (c *Cloud) connect(address, id, secret string) {
	cfg := sdk.Config{
		Region: Region, BaseEndpoint: sdk.String("http://" + address),
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		HTTPClient:  &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	c.IAM, c.SSO, c.Store, c.STS = iam.NewFromConfig(cfg), ssoadmin.NewFromConfig(cfg), identitystore.NewFromConfig(cfg), sts.NewFromConfig(cfg)
}

// Key makes an IAM user with exactly these rights, and an access key of it. Moto knows
// the resources of no call of these services: it is given the policy with every Resource
// as "*". What the resources of a policy allow, Simulator says.
func (c *Cloud) Key(t testing.TB, user, policy string) (id, secret string) {
	t.Helper()
	ctx := context.Background()
	_, err := c.IAM.CreateUser(ctx, &iam.CreateUserInput{UserName: &user})
	Made(t, err)
	_, err = c.IAM.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &user, PolicyName: sdk.String("rights"), PolicyDocument: sdk.String(anywhere(t, policy))})
	Must(t, err)
	key, err := c.IAM.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &user})
	Must(t, err)
	return *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey
}

// Made is Must for something that is made: on a busy machine an answer can be lost, and
// the client's second try finds what the first has made.
func Made(t testing.TB, err error) {
	t.Helper()
	var exists *types.EntityAlreadyExistsException
	if !errors.As(err, &exists) {
		Must(t, err)
	}
}

// Must ends the test where the administrator cannot do something.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
