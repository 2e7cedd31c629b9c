package ssh

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors/ssh/onhost"
)

// maxSkew is how far a host's clock may be from ours: it ends access by its own.
const maxSkew = 30 * time.Second

// Check asks every host, also those outside of the scope, whether it has the script of
// this version, and whether what is in scope could be given.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var out []error
	work := map[*host][]entitlement{}
	for _, h := range c.hosts {
		work[h] = nil
	}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			var h *host
			if h, err = c.find(e.host); h != nil && !slices.Contains(work[h], e) {
				work[h] = append(work[h], e)
			}
			if err == nil && h == nil {
				continue // retired
			}
		}
		if err == nil {
			err = c.allowed(e)
		}
		if err != nil {
			out = append(out, fmt.Errorf("%s: %s: %w", c.target, text, err))
		}
	}
	found := make(chan error)
	go func() {
		defer close(found)
		_ = each(work, func(h *host, list []entitlement) error {
			for _, err := range c.checkHost(ctx, h, list) {
				found <- fmt.Errorf("%s: %w", c.target, err)
			}
			return nil
		})
	}()
	for err := range found {
		out = append(out, err)
	}
	slices.SortStableFunc(out, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return out
}

func (c *connector) checkHost(ctx context.Context, h *host, list []entitlement) (out []error) {
	r := &request{}
	r.add("try host this") // and so its hash
	lines := make([]int, len(list))
	for i, e := range list {
		words := []string{"try", e.kind, e.name}
		if e.kind == sudo {
			words = append(words, c.rules[e.name])
		}
		lines[i] = r.add(words...)
	}
	before := time.Now()
	a, err := c.run(ctx, h, r)
	if err != nil {
		return []error{err}
	}
	if a.hash != onhost.Hash() {
		out = append(out, fmt.Errorf("%s: %s is not the one of this version of Tenure; install it again", h.name, onhost.Path))
	}
	if a.now.Before(before.Add(-maxSkew)) || a.now.After(time.Now().Add(maxSkew)) {
		out = append(out, fmt.Errorf("%s: its clock is %s off; access ends by itself at the wrong time", h.name, a.now.Sub(before).Round(time.Second)))
	}
	for i, e := range list {
		if err := a.line(lines[i]).err(); err != nil {
			out = append(out, fmt.Errorf("%s: missing right: %s: %w", h.name, e, err))
		}
	}
	return out
}
