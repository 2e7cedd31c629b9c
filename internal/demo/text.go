package demo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/internal/minihub"
)

// reason is a refusal of the forge in its own words.
func reason(err error) string {
	var r *minihub.Refusal
	if !errors.As(err, &r) || len(r.Errors) == 0 {
		return err.Error()
	}
	var parts []string
	for _, e := range r.Errors {
		parts = append(parts, fmt.Sprint(e))
	}
	return strings.Join(parts, "; ")
}

func (d *Demo) welcome() {
	fmt.Fprintf(d.o.Out, `Tenure demo: a forge, an access repository and the reconciler, all on this machine.
   look at   %s/%s/pulls
   files in  %s
`, d.base, repoName, d.o.Dir)
}

// goodbye says how to play on. Its commands are meant to be pasted as they are.
func (d *Demo) goodbye() {
	asks := d.people["alice"]
	login := d.login(asks.Name)
	approves := asks.Manager
	with := strings.Replace(d.base, "://", "://"+login+":"+d.tokens[login]+"@", 1)
	fmt.Fprintf(d.o.Out, `
Now it is your turn; everything stays up until Ctrl-C.

1. Ask as %[1]s, with plain git:

git clone %[2]s/%[3]s.git tenure-access && cd tenure-access
git switch -c mine
mkdir -p requests/2026 && cat > requests/2026/%[1]s-wiki.yaml <<'END'
apiVersion: tenure.dev/v1
kind: AccessRequest
subject: %[1]s
roles: [wiki-editor]
reason: Fix the page about the on-call rota
duration: 5m
END
%[11]s validate
git add . && git -c user.name=%[1]s -c user.email=%[4]s commit -m 'Ask for the wiki' && git push origin mine

2. Open it, approve it and merge it at %[5]s/%[3]s/pulls
   Act as %[6]s to open the pull request, then as %[7]s to approve and
   merge it: that is %[8]s, %[1]s's manager. Nobody can approve their own.

3. See what came of it:

cat %[9]s/targets/wiki-groups
%[11]s status  --config %[10]s
%[11]s explain --config %[10]s requests/2026/%[1]s-wiki.yaml
`, asks.Name, with, repoName, asks.Email, d.base, login, d.login(approves), approves, d.o.Dir, d.cfgFile, d.o.Program)
}

func (d *Demo) stopped() {
	fmt.Fprintf(d.o.Out, "\nStopped. The files stay in %s.\n", d.o.Dir)
}
