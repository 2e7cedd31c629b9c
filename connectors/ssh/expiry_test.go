//go:build linux

package ssh

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The real sshd, which says that it is an older one.
const older = `#!/bin/sh
case $1 in -V) echo "unknown option -- V
OpenSSH_%s, OpenSSL 1.1.1n" >&2; exit 1 ;; esac
exec /usr/local/sbin/real/sshd "$@"
`

func TestAnOlderOpenSSHIsGivenItsLocalTime(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	h.Run(t, "mkdir -m 755 /usr/local/sbin/real; cp /usr/sbin/sshd /usr/local/sbin/real/; touch /usr/local/sbin/sshd.fake; chmod 755 /usr/local/sbin/sshd.fake; mount --bind /usr/local/sbin/sshd.fake /usr/sbin/sshd")
	say := func(version string) { h.Write(t, fmt.Sprintf(older, version), "cat >/usr/local/sbin/sshd.fake") }
	line := func(until time.Time) string {
		t.Helper()
		ok(t, c.Grant(t.Context(), gr("alice", "web-1", login, "deploy"), until))
		_, line, _ := strings.Cut(h.Run(t, "cat /etc/ssh/tenure_keys/deploy"), `expiry-time="`)
		line, _, _ = strings.Cut(line, `"`)
		return line
	}
	at := func(text string) time.Time {
		u, err := time.Parse(time.RFC3339, text)
		ok(t, err)
		return u
	}
	h.Run(t, "rm -f /etc/localtime; ln -s /usr/share/zoneinfo/Europe/Berlin /etc/localtime")
	for _, x := range []struct{ version, until, want string }{
		{"9.2p1 Debian-2", "2027-07-01T12:00:00Z", "20270701120000Z"},
		{"9.1p1", "2027-07-01T12:00:00Z", "20270701120000Z"},
		{"10.0p2", "2027-07-01T12:00:00.5Z", "20270701120001Z"},
		{"8.4p1 Debian-5", "2027-07-01T12:00:00Z", "20270701140000"},
		{"7.7p1", "2027-01-01T23:30:00Z", "20270102003000"},
		// On 31 October 2027 at 3:00 it is 2:00 again; 2:30 means two times.
		{"9.0p1", "2027-10-31T00:30:00Z", ""},
		{"9.0p1", "2027-10-31T01:30:00Z", ""},
		{"9.0p1", "2027-10-31T02:30:00Z", "20271031033000"},
	} {
		say(x.version)
		got := line(at(x.until))
		if x.want != "" && got != x.want {
			t.Errorf("%s: %s became %s, want %s", x.version, x.until, got, x.want)
		}
		if x.want == "" {
			// What the host itself takes this for: never later, at most an hour earlier.
			read := h.Run(t, "date -u +%Y-%m-%dT%H:%M:%SZ -d @$(date +%s -d \"$(echo "+got+" | sed 's/^\\(....\\)\\(..\\)\\(..\\)\\(..\\)\\(..\\)\\(..\\)$/\\1-\\2-\\3 \\4:\\5:\\6/')\")")
			early := at(x.until).Sub(at(strings.TrimSpace(read)))
			if early < 0 || early > time.Hour {
				t.Errorf("%s became %s, which is %s early", x.until, got, early)
			}
		}
	}
	// The real sshd reads local times, too, in the zone that its process has.
	say("8.4p1 Debian-5")
	h.Kill()
	h.Restart(t)
	g := gr("alice", "web-1", login, "deploy")
	h.Run(t, "mount --bind /usr/local/sbin/sshd.fake /usr/sbin/sshd")
	ok(t, c.Grant(t.Context(), g, time.Now().Add(time.Minute)))
	if _, err := h.Login(t, "deploy", s.keys["alice"]); err != nil {
		t.Errorf("before the end: %v", err)
	}
	ok(t, c.Grant(t.Context(), g, time.Now().Add(-time.Minute)))
	_, err := h.Login(t, "deploy", s.keys["alice"])
	refused(t, err, "unable to authenticate")

	say("7.6p1")
	refused(t, c.Grant(t.Context(), g, tomorrow()), "OpenSSH 7.7 or later")
	ok(t, c.Revoke(t.Context(), g))
}

func TestAGrantWithoutAnEndHasNone(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	ok(t, c.Grant(t.Context(), gr("alice", "web-1", login, "deploy"), time.Time{}))
	ok(t, c.Grant(t.Context(), gr("alice", "web-1", sudo, "echo"), time.Time{}))
	out := h.Run(t, "cat /etc/ssh/tenure_keys/deploy /etc/sudoers.d/tenure_echo")
	if strings.Contains(out, "expiry") || strings.Contains(out, "NOTAFTER") {
		t.Errorf("%s", out)
	}
	if !holds(t, c, gr("alice", "web-1", login, "deploy")) || !holds(t, c, gr("alice", "web-1", sudo, "echo")) {
		t.Error("not seen")
	}
}

func TestTimesOfSshdAndSudo(t *testing.T) {
	now := time.Date(2027, 7, 1, 12, 0, 0, 0, time.UTC)
	berlin := time.FixedZone("", 7200)
	for stamp, want := range map[string]bool{
		"20270701115959Z": true, "20270701120000Z": false, "20270701120001Z": false, "20270701": true, "20270702Z": false,
		"202707011359": true, "202707011401": false, "202707011201Z": false, "-": false, "": false, "soon": false,
	} {
		if got := over(stamp, berlin, now); got != want {
			t.Errorf("%q: %v", stamp, got)
		}
	}
	if got := stamp(now.Add(1)); got != "20270701120001Z" {
		t.Error(got)
	}
	if got := stamp(now); got != "20270701120000Z" {
		t.Error(got)
	}
}
