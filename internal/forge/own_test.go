package forge

import (
	"errors"
	"strings"
	"testing"
)

func TestServerURLTakesHTTPSAndThisMachineOnly(t *testing.T) {
	for text, want := range map[string]string{
		"https://git.example.com/?token=x#y": "https://git.example.com/",
		"http://127.0.0.1:3000/api":          "http://127.0.0.1:3000/api",
		"http://[::1]:3000":                  "http://[::1]:3000",
		"http://localhost":                   "http://localhost",
		"http://git.example.com":             "",
		"http://127.0.0.1.example.com":       "",
		"https://bob:secret@git.example.com": "",
		"ftp://git.example.com":              "",
		"git.example.com":                    "",
		"https://":                           "",
		"https://a b":                        "",
	} {
		u, err := ServerURL(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is taken, as %s", text, u)
		case want == "" && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error shows the login: %v", text, err)
		case want != "" && (err != nil || u.String() != want):
			t.Errorf("%s: %v, %v", text, u, err)
		}
	}
}

func TestSolePusher(t *testing.T) {
	const me = 7
	push := func(kind string, who int64, after string) Push {
		return Push{Kind: kind, Actor: Identity{ID: who, Login: "x"}, After: after}
	}
	for name, c := range map[string]struct {
		record []Push
		want   error
	}{
		"only we":                   {[]Push{push(PushCreate, me, "a"), push(PushForce, me, "b")}, nil},
		"somebody else since":       {[]Push{push(PushCreate, me, "a"), push(PushPush, 8, "c"), push(PushForce, me, "b")}, ErrChanged},
		"somebody unknown since":    {[]Push{push(PushCreate, me, "a"), push(PushPush, 0, "c"), push(PushForce, me, "b")}, ErrChanged},
		"somebody else made it":     {[]Push{push(PushCreate, 8, "a"), push(PushForce, me, "b")}, ErrChanged},
		"an earlier life of it":     {[]Push{push(PushCreate, 8, "a"), push(PushDelete, 8, ""), push(PushCreate, me, "b")}, nil},
		"a record that lags behind": {[]Push{push(PushCreate, me, "a")}, ErrUnavailable},
		"no record":                 {nil, ErrUnavailable},
	} {
		if err := SolePusher(c.record, me, "b"); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestKeysMakeRefsAndMarkers(t *testing.T) {
	for _, key := range []string{"", "-a", "a b", "a/b", "a..b", "ä", strings.Repeat("a", 101), "a\n"} {
		if branch, err := RevertBranch(key); err == nil {
			t.Errorf("%q becomes %s", key, branch)
		}
	}
	if b, err := RevertBranch("20260302T090000Z"); err != nil || b != "tenure/revert/20260302T090000Z" {
		t.Errorf("%s, %v", b, err)
	}
	for _, key := range []string{"", "A", "a b", "a-->", strings.Repeat("a", 41)} {
		if marker, err := CommentMarker(key); err == nil {
			t.Errorf("%q becomes %s", key, marker)
		}
	}
	if id := BlobID([]byte("hello\n")); id != "ce013625030ba8dba906f756967f9e9ca394464a" {
		t.Errorf("blob id %s", id)
	}
}
