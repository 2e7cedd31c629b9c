package policy

import "strings"

// guardrails runs the rules of all policies of the trusted state.
func (c *judging) guardrails() {
	pairs := c.ask.pairs()
	for _, r := range c.compiled().rules {
		denials := r.denials(pairs, false)
		if len(denials) == 0 {
			c.pass("guardrail", "%s holds", r.Name)
			continue
		}
		var lines []string
		for _, d := range denials {
			lines = append(lines, d.String())
		}
		c.fail("guardrail", "%s", strings.Join(lines, "; "))
	}
}
