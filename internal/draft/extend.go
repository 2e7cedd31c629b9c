package draft

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/schema"
)

// Extension says how an end moves; exactly one field is set.
type Extension struct {
	By       time.Duration
	Until    time.Time
	ReviewBy time.Time
}

// Extended is a request file whose end has moved.
type Extended struct {
	Text     []byte
	Field    string    // the one key that changed
	Old, New string    // its values as they are written
	OldEnd   time.Time // zero: it counts from the merge, which the file does not know
	NewEnd   time.Time // likewise
	Request  *schema.AccessRequest
}

// Extend moves the end of a request file: it replaces one value and leaves every
// other byte as it is. It refuses what has ended by now (as far as the file can
// tell), what would end no later than before, and what cannot be extended at all.
func Extend(path string, text []byte, x Extension, now time.Time) (Extended, error) {
	old, err := requestIn(path, text)
	if err != nil {
		return Extended{}, err
	}
	if old.Emergency {
		return Extended{}, fmt.Errorf("%s: emergency access is never prolonged; ask for the rest in a new request", path)
	}
	out, want, err := move(old, x)
	if err != nil {
		return Extended{}, fmt.Errorf("%s: %w", path, err)
	}
	out.OldEnd, out.NewEnd = endOf(old), endOf(&want)
	switch {
	case !out.OldEnd.IsZero() && !out.OldEnd.After(now):
		return Extended{}, fmt.Errorf("%s: it ended at %s, and what has ended never comes back; ask again in a new request", path, moment(out.OldEnd))
	case !out.NewEnd.IsZero() && !out.NewEnd.After(out.OldEnd):
		return Extended{}, fmt.Errorf("%s: %s is no later than its end now, %s; to end access earlier edit the file, which needs no approval", path, moment(out.NewEnd), moment(out.OldEnd))
	}
	if out.Text, out.Old, err = replace(text, out.Field, out.New); err != nil {
		return Extended{}, fmt.Errorf("%s: %w", path, err)
	}
	if out.Request, err = requestIn(path, out.Text); err != nil {
		return Extended{}, err
	}
	if !same(out.Request, &want) {
		return Extended{}, fmt.Errorf("%s: %s cannot be changed without changing more; edit the file by hand", path, out.Field)
	}
	return out, nil
}

// requestIn reads the one request of a file that is in order.
func requestIn(path string, text []byte) (*schema.AccessRequest, error) {
	f := schema.ParseFile(path, text)
	for _, p := range f.Problems {
		if !p.Warning {
			return nil, p
		}
	}
	if len(f.Docs) == 1 {
		if r, ok := f.Docs[0].(*schema.AccessRequest); ok {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%s holds no access request", path)
}

// move returns the key that has to change with its new value, and the request as it
// will be.
func move(r *schema.AccessRequest, x Extension) (Extended, schema.AccessRequest, error) {
	want := *r
	switch {
	case !r.ReviewBy.IsZero():
		switch {
		case x.By > 0:
			want.ReviewBy = r.ReviewBy.Add(x.By)
		case !x.ReviewBy.IsZero():
			want.ReviewBy = x.ReviewBy
		default:
			return Extended{}, want, errors.New("standing access has a review, not an end; give --review-by")
		}
		return Extended{Field: "reviewBy", New: day(want.ReviewBy)}, want, nil
	case !x.ReviewBy.IsZero():
		return Extended{}, want, errors.New("it is no standing access and has no reviewBy; give --by or --until")
	case !r.ExpiresAt.IsZero():
		if want.ExpiresAt = x.Until; x.By > 0 {
			want.ExpiresAt = r.ExpiresAt.Add(x.By)
		}
		return Extended{Field: "expiresAt", New: moment(want.ExpiresAt)}, want, nil
	case x.By > 0:
		want.Duration = r.Duration + x.By
	case r.StartsAt.IsZero():
		return Extended{}, want, errors.New("its duration counts from the merge, which the file does not know; give --by")
	default:
		want.Duration = x.Until.Sub(r.StartsAt)
	}
	if want.Duration <= 0 {
		return Extended{}, want, errors.New("the end would not be after the start")
	}
	return Extended{Field: "duration", New: schema.FormatDuration(want.Duration)}, want, nil
}

// endOf is when a request ends for good; zero: the file does not say.
func endOf(r *schema.AccessRequest) time.Time {
	switch {
	case !r.ReviewBy.IsZero():
		return r.ReviewBy
	case !r.ExpiresAt.IsZero():
		return r.ExpiresAt
	case !r.StartsAt.IsZero():
		return r.StartsAt.Add(r.Duration)
	}
	return time.Time{}
}

// same compares what two requests say, not where they say it.
func same(a, b *schema.AccessRequest) bool {
	bare := func(r *schema.AccessRequest) schema.AccessRequest {
		c := *r
		c.Pos = schema.Pos{}
		c.Roles = make([]schema.RoleUse, len(r.Roles))
		for i, u := range r.Roles {
			u.Pos = schema.Pos{}
			c.Roles[i] = u
		}
		return c
	}
	return reflect.DeepEqual(bare(a), bare(b))
}

// replace puts another value behind a key of the document, quoted as the old one is,
// and returns the old one.
func replace(text []byte, key, value string) (out []byte, old string, err error) {
	n, err := valueOf(text, key)
	if err != nil {
		return nil, "", err
	}
	quote := ""
	switch n.Style {
	case yaml.DoubleQuotedStyle:
		quote = `"`
	case yaml.SingleQuotedStyle:
		quote = `'`
	}
	from := offset(text, n.Line, n.Column)
	token := quote + n.Value + quote
	if !bytes.HasPrefix(text[from:], []byte(token)) {
		return nil, "", fmt.Errorf("%s is written in a way that cannot be changed safely; edit the file by hand", key)
	}
	value = quote + value + quote
	out = append(out, text[:from]...)
	out = append(out, value...)
	return append(out, text[from+len(token):]...), n.Value, nil
}

// valueOf finds the scalar behind a key of the document's mapping.
func valueOf(text []byte, key string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) != 1 {
		return nil, errors.New("is not one YAML document")
	}
	pairs := doc.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].Value == key && pairs[i+1].Kind == yaml.ScalarNode {
			return pairs[i+1], nil
		}
	}
	return nil, fmt.Errorf("%s is not there", key)
}

// offset returns the byte at a place of YAML, whose columns count characters. A place
// beyond the text is its end.
func offset(text []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	for ; column > 1 && at < len(text); column-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}
