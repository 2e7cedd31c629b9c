package file

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"text/template"
)

// View is what a template of the operator's own sees. Everything is sorted.
type View struct {
	Target string
	Groups []Group
}

// Group is a group that has accounts.
type Group struct {
	Name     string
	Accounts []string
}

// custom renders the whole file from a template, which cannot be read back. What was
// written is kept beside the file with the hash of the content, so that the file is
// believed only as long as it is what Tenure wrote.
type custom struct {
	target string
	tmpl   *template.Template
}

func newCustom(target, text string) (format, error) {
	tmpl, err := template.New("template").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, errors.New("setting template is not a valid text/template")
	}
	c := custom{target, tmpl}
	if _, err := c.render([]pair{{"group", "account"}}); err != nil {
		return nil, errors.New("setting template fails on an example: it sees .Target and .Groups, each with .Name and .Accounts")
	}
	return c, nil
}

// safeName is narrow because nobody knows the syntax around it.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]*$`)

func (custom) check(p pair) error {
	for what, name := range map[string]string{"group": p.Group, "account": p.Account} {
		if !safeName.MatchString(name) || len(name) > 1000 {
			return fmt.Errorf("%s %+.100q cannot stand in a file from a template: want letters, digits and _.@- with none of .@- in front", what, name)
		}
	}
	return nil
}

// errEdited is what Observe says of a file from a template that is not what Tenure
// wrote.
var errEdited = errors.New("the file is not what tenure last wrote, and a template cannot be read back; " +
	"move the file away and make an empty one in its place, and it is written anew")

func (c custom) parse(content []byte, st *state) (*document, error) {
	d := &document{ours: map[pair]bool{}, render: c.render}
	if content == nil {
		return d, nil
	}
	v, known := st.version(content)
	if !known && len(content) == 0 {
		return d, nil // it states nothing, whoever emptied it
	}
	if !known {
		// What was written last is the best guess at who should stay in the file.
		if n := len(st.Versions); n > 0 {
			v = st.Versions[n-1]
		}
	}
	for _, p := range v.Pairs {
		d.ours[p] = true
	}
	if !known {
		return d, errEdited
	}
	return d, nil
}

func (c custom) render(ours []pair) ([]byte, error) {
	v := View{Target: c.target}
	for _, p := range ours {
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Name != p.Group {
			v.Groups = append(v.Groups, Group{Name: p.Group})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Accounts = append(g.Accounts, p.Account)
	}
	var b bytes.Buffer
	if err := c.tmpl.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return b.Bytes(), nil
}
