package source

import (
	"fmt"
	"path/filepath"
	"testing"
)

// large returns a copy of a repository of 20,000 files, after one commit that
// changed one of them.
func large(b *testing.B) (*Repo, *origin, string) {
	b.Helper()
	o := newOrigin(b)
	for i := range 20_000 {
		o.write(fmt.Sprintf("requests/%03d/r%d.yaml", i/100, i), fmt.Sprintf("kind: AccessRequest\nreason: number %d\nduration: 4h\n", i))
	}
	o.commit("a.yaml", "1\n")
	c := o.commit("requests/100/r10000.yaml", "changed\n")
	o.git("repack", "-q", "-a", "-d")
	o.push("main")
	r := open(b, Config{URL: "file://" + o.bare})
	poll(b, r, c, true)
	return r, o, c
}

func BenchmarkChangesIn20000Files(b *testing.B) {
	r, _, c := large(b)
	for b.Loop() {
		if ch, err := r.Changes(c); err != nil || len(ch) != 1 {
			b.Fatal(ch, err)
		}
	}
}

func BenchmarkFilesOf20000(b *testing.B) {
	r, _, c := large(b)
	for b.Loop() {
		if f, err := r.Files(c); err != nil || len(f) != 20_001 {
			b.Fatal(len(f), err)
		}
	}
}

func BenchmarkRead20000Files(b *testing.B) {
	r, _, c := large(b)
	files, err := r.Files(c)
	must(b, err)
	for b.Loop() {
		for _, f := range files {
			if _, err := r.Read(f.Blob, 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkPollWithANewCommitIn20000Files(b *testing.B) {
	r, o, _ := large(b)
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		c := o.commit("requests/100/r10000.yaml", fmt.Sprint(i))
		o.push("main")
		b.StartTimer()
		poll(b, r, c, true)
		if _, err := r.Changes(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen20000Files(b *testing.B) {
	r, _, _ := large(b)
	for b.Loop() {
		x, err := Open(b.Context(), r.cfg)
		must(b, err)
		must(b, x.Close())
	}
}

// BenchmarkReadWithManyPacks shows what packs that gather cost: opening the copy
// and comparing the last commit.
func BenchmarkReadWithManyPacks(b *testing.B) {
	for _, packs := range []int{1, 50, 100, 200} {
		b.Run(fmt.Sprint(packs), func(b *testing.B) {
			o := newOrigin(b)
			for i := range 2000 {
				o.write(fmt.Sprintf("requests/%03d/r%d.yaml", i/100, i), fmt.Sprintf("reason: number %d\n", i))
			}
			c := o.commit("a.yaml", "0\n")
			o.push("main")
			r := open(b, Config{URL: "file://" + o.bare})
			r.limit = packs
			poll(b, r, c, true)
			for i := range packs - 1 {
				c = o.commit("a.yaml", fmt.Sprint(i+1))
				o.push("main")
				poll(b, r, c, true)
			}
			if n := countPacks(filepath.Join(r.cfg.Dir, "copy.git")); n != packs {
				b.Fatalf("%d packs", n)
			}
			for b.Loop() {
				must(b, r.reload())
				if _, err := r.Changes(c); err != nil {
					b.Fatal(err)
				}
				if _, err := r.Files(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
