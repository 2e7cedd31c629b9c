package policy

import "slices"

// JudgeRemoval says whether what a commit took away was reviewed: it was brought by
// a pull request of an active person, and at least one other active person who did
// not push to it approved it. Nobody has to approve a removal; one that was
// approved is meant, however much it takes away. Group and Count are not looked at.
func JudgeRemoval(j TrustJudgement) Verdict {
	return judgeChange(j, func(c *judging) {
		for name := range c.counted {
			c.approvers = append(c.approvers, name)
		}
		slices.Sort(c.approvers)
		if len(c.approvers) == 0 {
			missing := c.fail
			if c.waiting { // for the push record, without which no approval can be dated
				missing = c.wait
			}
			missing("approval", "nobody else approved it")
		}
	})
}
