package ssh

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors/ssh/onhost"
)

// request is what the script is given. Its lines have numbers, by which it answers.
type request struct {
	lines []string
}

// add returns the number of the line. Words must be checked by the caller; the script
// checks them again.
func (r *request) add(words ...string) int {
	line := strings.Join(words, " ")
	if strings.ContainsAny(line, "\r\n\x00") {
		panic("ssh: a request with a line end in a word") // every word was checked
	}
	r.lines = append(r.lines, line)
	return len(r.lines) + 1 // after the line that every request begins with
}

// text is the request for a host that has so much time.
func (r *request) text(left time.Duration) string {
	seconds := min(max(int(left/time.Second), 1), 600)
	return "tenure-host 1 " + strconv.Itoa(seconds) + "\n" + strings.Join(r.lines, "\n") + "\ngo\n"
}

// reply is what the host says to one line.
type reply struct {
	see       []string
	ok        bool
	noAccount bool
	problems  []string
}

// err is nil if the host did what the line asks for.
func (r *reply) err() error {
	switch {
	case r == nil:
		return fmt.Errorf("the host gave no answer to this")
	case r.noAccount:
		return errNoAccount
	case len(r.problems) > 0:
		return fmt.Errorf("%s", strings.Join(r.problems, "; "))
	case !r.ok:
		return fmt.Errorf("the host gave no answer to this")
	}
	return nil
}

// answer is all that a host said.
type answer struct {
	hash  string
	now   time.Time
	zone  *time.Location // the host's own, as it is now
	lines map[int]*reply
}

func (a *answer) line(n int) *reply { return a.lines[n] }

// parseAnswer reads an answer, which is whole or an error.
func parseAnswer(text string) (*answer, error) {
	head, rest, _ := strings.Cut(text, "\n")
	if said, ok := strings.CutPrefix(head, "error "); ok {
		return nil, fmt.Errorf("tenure-host: %.300s", said)
	}
	words := strings.Fields(head)
	if len(words) != 5 || words[0] != "tenure-host" || words[1] != "1" {
		return nil, fmt.Errorf("%s does not answer as this version of Tenure expects; install the one that belongs to it", onhost.Path)
	}
	seconds, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: bad time %q", onhost.Path, words[3])
	}
	zoned, err := time.Parse("-0700", words[4])
	if err != nil {
		return nil, fmt.Errorf("%s: bad time zone %q", onhost.Path, words[4])
	}
	a := &answer{hash: words[2], now: time.Unix(seconds, 0).UTC(), zone: zoned.Location(), lines: map[int]*reply{}}
	whole := false
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		if whole {
			return nil, fmt.Errorf("%s goes on after its answer", onhost.Path)
		}
		if line == "done" {
			whole = true
			continue
		}
		if said, ok := strings.CutPrefix(line, "error "); ok {
			return nil, fmt.Errorf("tenure-host: %.300s", said)
		}
		number, word, _ := strings.Cut(line, " ")
		word, data, _ := strings.Cut(word, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("%s: bad answer %+.100q", onhost.Path, line)
		}
		if a.lines[n] == nil {
			a.lines[n] = &reply{}
		}
		r := a.lines[n]
		switch word {
		case "see":
			r.see = append(r.see, data)
		case "ok":
			r.ok = true
		case "no-account":
			r.noAccount = true
		case "error":
			r.problems = append(r.problems, strings.TrimSpace(fmt.Sprintf("%.500s", data)))
		default:
			return nil, fmt.Errorf("%s: bad answer %+.100q", onhost.Path, line)
		}
	}
	if !whole || !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the answer of %s is not whole", onhost.Path)
	}
	return a, nil
}
