package kubernetes

import (
	"errors"
	"net/url"
	"path/filepath"
	"time"

	authorization "k8s.io/api/authorization/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tenure-dev/tenure/connectors"
)

// callTimeout bounds one request, besides the caller's context.
const callTimeout = 30 * time.Second

// config returns how to reach the cluster. The client knows only the two groups of
// the API that it uses: the list of all of them costs megabytes and start time.
func (s *settings) config() (*rest.Config, error) {
	cfg, err := s.access()
	if err != nil {
		return nil, err
	}
	if cfg.Insecure {
		return nil, errors.New("the server's certificate must be verified; give its ca instead of insecure-skip-tls-verify")
	}
	if cfg.AuthProvider != nil {
		return nil, errors.New("auth-provider in setting kubeconfig is not supported; use a token, a certificate or exec")
	}
	if cfg.ExecProvider != nil && !s.AllowExec {
		return nil, errors.New("setting kubeconfig runs a program for its credentials; allow it with allowExec: true")
	}
	u, err := url.Parse(cfg.Host)
	if err != nil || u.Host == "" {
		return nil, errors.New("setting server must be a URL, such as https://cluster.example.com:6443")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !connectors.LoopbackAddress(u.Hostname())) {
		return nil, errors.New("setting server must begin with https://")
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{rbac.AddToScheme, authorization.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	gv := rbac.SchemeGroupVersion
	cfg.GroupVersion, cfg.APIPath = &gv, "/apis"
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	cfg.UserAgent, cfg.Timeout = "tenure", callTimeout
	cfg.QPS = -1 // the server says itself when it has enough, and is heard
	cfg.WarningHandler = rest.NoWarnings{}
	return cfg, nil
}

// access reads the place and the credentials.
func (s *settings) access() (*rest.Config, error) {
	inline := s.Server != "" || s.CA != "" || s.Token != "" || s.TokenFile != "" || s.Cert != "" || s.Key != ""
	switch {
	case s.Kubeconfig != "" && inline:
		return nil, errors.New("give setting kubeconfig, or server and its credentials, but not both")
	case s.Kubeconfig != "":
		raw, err := clientcmd.Load([]byte(s.Kubeconfig))
		if err != nil { // its words may repeat a secret
			return nil, errors.New("setting kubeconfig is not a kubeconfig")
		}
		cfg, err := clientcmd.NewNonInteractiveClientConfig(*raw, s.Context, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
		if err != nil {
			return nil, errors.New("setting kubeconfig has no such context, or lacks its cluster or user")
		}
		for _, file := range []string{cfg.CAFile, cfg.CertFile, cfg.KeyFile, cfg.BearerTokenFile} {
			if file != "" && !filepath.IsAbs(file) {
				return nil, errors.New("setting kubeconfig names a file without its full path")
			}
		}
		return cfg, nil
	case s.Server == "":
		return nil, errors.New("setting kubeconfig or server is missing or empty")
	case s.Token != "" && s.TokenFile != "":
		return nil, errors.New("settings token and tokenFile are both given; keep one")
	case (s.Cert == "") != (s.Key == ""):
		return nil, errors.New("settings clientCertificate and clientKey go together")
	case s.Token == "" && s.TokenFile == "" && s.Cert == "":
		return nil, errors.New("setting token, tokenFile or clientCertificate is missing")
	case s.Context != "" || s.AllowExec:
		return nil, errors.New("settings context and allowExec are of a kubeconfig")
	}
	return &rest.Config{
		Host: s.Server, BearerToken: s.Token, BearerTokenFile: s.TokenFile,
		TLSClientConfig: rest.TLSClientConfig{CAData: []byte(s.CA), CertData: []byte(s.Cert), KeyData: []byte(s.Key)},
	}, nil
}
