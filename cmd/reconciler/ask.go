package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/schema"
)

// asker asks, on a terminal, for what a request needs and the flags do not say.
type asker struct {
	in  *bufio.Scanner
	out io.Writer
}

func newAsker(in io.Reader, out io.Writer) *asker { return &asker{in: bufio.NewScanner(in), out: out} }

// request asks for a role that the subjects may ask for, and for what it needs. It
// fills in the options and returns the role.
func (q *asker) request(tree *schema.Tree, o *requestOptions) ([]string, error) {
	roles := askable(tree, o)
	if len(roles) == 0 {
		return nil, fmt.Errorf("there is no role that %s may ask for", strings.Join(o.subjects, ", "))
	}
	var lines []string
	for _, r := range roles {
		lines = append(lines, r.Name+": "+r.Description)
	}
	i, err := q.choose("Which role?", lines)
	if err != nil {
		return nil, err
	}
	role := roles[i]
	given := strings.Join(o.params, "\n")
	for _, key := range slices.Sorted(maps.Keys(role.Params)) {
		if strings.Contains("\n"+given, "\n"+key+"=") {
			continue
		}
		enum := role.Params[key].Enum
		i, err := q.choose("Which "+key+"?", enum)
		if err != nil {
			return nil, err
		}
		o.params = append(o.params, key+"="+enum[i])
	}
	limit := role.MaxDuration
	if o.emergency && role.Emergency != nil {
		limit = role.Emergency.MaxDuration
	}
	if o.duration+o.until+o.reviewBy+o.cron == "" {
		if o.duration, err = q.text(fmt.Sprintf("How long, %s at most?", schema.FormatDuration(limit))); err != nil {
			return nil, err
		}
	}
	if o.reason == "" {
		if o.reason, err = q.text("What for, in a sentence?"); err != nil {
			return nil, err
		}
	}
	if o.ticket == "" && role.Require.Ticket != "" {
		if o.ticket, err = q.text(fmt.Sprintf("Which ticket (%s)?", role.Require.Ticket)); err != nil {
			return nil, err
		}
	}
	return []string{role.Name}, nil
}

// askable returns the roles that all subjects may ask for, by name.
func askable(tree *schema.Tree, o *requestOptions) []*schema.Role {
	people := tree.SubjectsOf(&schema.AccessRequest{Subjects: o.subjects})
	var out []*schema.Role
	for _, name := range slices.Sorted(maps.Keys(tree.Roles)) {
		role := tree.Roles[name]
		groups := role.Requesters
		if o.emergency {
			if role.Emergency == nil {
				continue
			}
			groups = role.Emergency.Requesters
		}
		may := func(person string) bool {
			return slices.ContainsFunc(groups, func(g string) bool { return tree.InGroup(person, g) })
		}
		if len(people) > 0 && !slices.ContainsFunc(people, func(p string) bool { return !may(p) }) {
			out = append(out, role)
		}
	}
	return out
}

// choose asks for one of several, by number or by what it begins with up to a colon.
func (q *asker) choose(question string, options []string) (int, error) {
	for i, o := range options {
		fmt.Fprintf(q.out, "%3d  %s\n", i+1, safe(o))
	}
	for {
		answer, err := q.text(question)
		if err != nil {
			return 0, err
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(options) {
			return n - 1, nil
		}
		if i := slices.IndexFunc(options, func(o string) bool { name, _, _ := strings.Cut(o, ":"); return name == answer }); i >= 0 {
			return i, nil
		}
		fmt.Fprintf(q.out, "Type a number from 1 to %d.\n", len(options))
	}
}

// text asks until there is an answer.
func (q *asker) text(question string) (string, error) {
	for {
		fmt.Fprint(q.out, safe(question)+" ")
		if !q.in.Scan() {
			fmt.Fprintln(q.out)
			return "", errors.Join(errors.New("no answer was given; nothing was proposed"), q.in.Err())
		}
		if answer := strings.TrimSpace(q.in.Text()); answer != "" {
			return answer, nil
		}
	}
}
