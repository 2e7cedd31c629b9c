package policy

import "cmp"

// change checks how the bytes came to the branch. It returns false when there is
// nothing further to look at.
func (c *judging) change() bool {
	ev := &c.Evidence
	switch {
	case c.Request == nil:
		c.fail("request", "the file is not a valid request")
		return false
	case ev.Problem != "":
		c.fail("pull-request", "%s", ev.Problem)
		return false
	case ev.Pull == nil:
		c.wait("pull-request", "no pull request is known yet that brought %s to the branch", short(ev.Introduction.Commit))
		return false
	case c.Trusted == nil:
		c.wait("trust", "the trusted state before pull request #%d is not known yet", ev.Pull.Number)
		return false
	}
	c.pull = ev.Pull
	p := c.pull
	if p.MergedAt.IsZero() || p.MergeCommit == "" || ev.Introduction.Commit == "" || ev.Before == "" {
		c.fail("pull-request", "pull request #%d is not merged as far as the forge says", p.Number)
		return false
	}
	c.pass("pull-request", "pull request #%d was merged at %s as %s", p.Number, stamp(p.MergedAt), short(ev.Introduction.Commit))

	c.closed, c.closing, c.valid = p.MergedAt, "the merge", cmp.Or(c.ApprovalsValid, defaultApprovalsValid)
	c.place("was merged")
	switch {
	case c.deletion && ev.HeadBlob == "":
		c.pass("bytes", "the file is gone at the final head %s as well", short(p.HeadSHA))
	case ev.Introduction.Blob == "" || ev.HeadBlob == "":
		c.fail("bytes", "%s is not in the final head %s of pull request #%d: the merge brought bytes that nobody reviewed", ev.Introduction.Path, short(p.HeadSHA), p.Number)
	case ev.HeadBlob != ev.Introduction.Blob:
		c.fail("bytes", "the file on the branch is %s, but %s at the final head of pull request #%d: the merge changed what was reviewed", short(ev.Introduction.Blob), short(ev.HeadBlob), p.Number)
	default:
		c.pass("bytes", "the file on the branch is the one at the final head, %s", short(ev.HeadBlob))
	}
	if c.Hidden != "" {
		c.fail("trusted-base", "the same change takes away %s, which was never approved; a rename does not show its content; "+
			"delete such a file in a change of its own first, and add this one as a new file afterwards", c.Hidden)
	} else if c.Laundered {
		c.fail("trusted-base", "the version before this one was not in force, and this pull request built on it; "+
			"bring the file back to its last trusted bytes first (that needs no approval), or delete it and open a pull request that adds a new file")
	} else if c.Previous != nil {
		c.pass("trusted-base", "the version before this one was in force")
	} else {
		c.pass("trusted-base", "the file is new")
	}
	return true
}

// place checks the repository of the pull request, and the branch that it was or is to
// be merged into.
func (c *judging) place(verb string) {
	p, ev := c.pull, &c.Evidence
	if ev.RepositoryID == 0 || p.BaseRepoID != ev.RepositoryID {
		c.fail("repository", "pull request #%d belongs to repository id %d, not to the configured id %d", p.Number, p.BaseRepoID, ev.RepositoryID)
	} else {
		c.pass("repository", "it belongs to the configured repository, id %d", ev.RepositoryID)
	}
	if ev.Branch == "" || p.BaseRef != ev.Branch {
		c.fail("base-branch", "pull request #%d %s into %q, not into the watched branch %q", p.Number, verb, p.BaseRef, ev.Branch)
	} else {
		c.pass("base-branch", "it %s into the watched branch %s", verb, ev.Branch)
	}
}

// short prints the first digits of a hash.
func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	if hash == "" {
		return "(none)"
	}
	return hash
}
