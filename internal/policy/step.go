package policy

// step reports whether version i is no edit of its own, but a step on the way to a
// later version of the same pull request. A rebase puts every commit of a pull
// request on the branch at once; what one of them says and the last one does not was
// never the state of the branch, so it takes nothing away.
//
// A version is a step as long as nothing else is known: it was passed over by a later
// one in the look at the branch in which both were first seen. Evidence that the two
// came in different ways makes it an edit, which takes away and may end the request.
// A version that is proven, or that brings the proven bytes back, is never a step.
func (d *deciding) step(i int) bool {
	all := d.in.Record.Versions
	v := &all[i]
	if !v.Passed || v.Broken || v.proven() || d.base != nil && v.Blob == d.base.Blob {
		return false
	}
	j := i + 1
	for j < len(all)-1 && all[j].Broken && all[j].Passed {
		j++
	}
	if j == len(all) || all[j].Broken {
		return false
	}
	return !v.settled() || !all[j].settled() || samePull(v, &all[j])
}

func (v *Version) proven() bool { return v.Verdict != nil && v.Verdict.Proven }

func (v *Version) settled() bool { return v.Verdict != nil && v.Verdict.Final }

// samePull reports whether one pull request brought both versions, by itself: one
// that is only marked as merged says nothing of how its commits came.
func samePull(a, b *Version) bool {
	if a.Evidence == nil || b.Evidence == nil || a.Evidence.Problem != "" || b.Evidence.Problem != "" {
		return false
	}
	p, q := a.Evidence.Pull, b.Evidence.Pull
	return p != nil && q != nil && p.Number == q.Number
}
