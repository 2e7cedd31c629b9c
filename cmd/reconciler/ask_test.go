package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/examples"
	"github.com/tenure-dev/tenure/schema"
)

func TestAskingLeadsToTheSameRequestAsTheFlags(t *testing.T) {
	t.Parallel()
	tree := schema.LoadFS(examples.AccessRepo())
	var shown bytes.Buffer
	// A wrong number, an empty line, a role by its name.
	q := newAsker(strings.NewReader("99\n\norders-db-writer\n2h\nRows need fixing by hand\nINC-7\n"), &shown)
	o := requestOptions{subjects: []string{"alice"}}
	roles, err := q.request(tree, &o)
	if err != nil || !slices.Equal(roles, []string{"orders-db-writer"}) {
		t.Fatalf("%v, %v", roles, err)
	}
	r, err := o.document(tree, roles)
	if err != nil || r.Duration != 2*time.Hour || r.Reason != "Rows need fixing by hand" || r.Ticket != "INC-7" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, want := range []string{"  orders-db-writer: ", "Type a number from 1 to ", "How long, 8h at most? ", "Which ticket (^INC-[0-9]+$)? "} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("%q was not shown:\n%s", want, shown.String())
		}
	}
}

func TestAskingOffersOnlyWhatTheSubjectsMayHave(t *testing.T) {
	t.Parallel()
	tree := schema.LoadFS(examples.AccessRepo())
	for _, c := range []struct {
		subjects  []string
		emergency bool
		has, not  string
	}{
		{[]string{"alice"}, false, "orders-db-writer", "billing-db-writer"},
		{[]string{"nobody"}, false, "", "orders-db-writer"},
		{[]string{"alice"}, true, "", "wiki-editor"}, // a role without emergency terms
	} {
		o := requestOptions{subjects: c.subjects, emergency: c.emergency}
		var names []string
		for _, r := range askable(tree, &o) {
			names = append(names, r.Name)
		}
		if c.has != "" && !slices.Contains(names, c.has) || slices.Contains(names, c.not) {
			t.Errorf("%v, emergency %v: offered %v", c.subjects, c.emergency, names)
		}
	}
}

func TestNoAnswerIsAnError(t *testing.T) {
	t.Parallel()
	tree := schema.LoadFS(examples.AccessRepo())
	for _, in := range []string{"", "1\n", "1\n1h\n"} {
		o := requestOptions{subjects: []string{"alice"}}
		if _, err := newAsker(strings.NewReader(in), &bytes.Buffer{}).request(tree, &o); err == nil || !strings.Contains(err.Error(), "no answer was given") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestNobodyIsAskedInAPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	a := testApp(&bytes.Buffer{}, &bytes.Buffer{})
	for _, in := range []*os.File{r, nil} {
		a.in = in
		if a.interactive() {
			t.Error("a pipe was taken for a terminal")
		}
	}
}
