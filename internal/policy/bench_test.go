package policy

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

func BenchmarkJudge(b *testing.B) {
	j := good()
	guard(&j, "role.labels.env == 'prod'", "request.ticket != ''")
	j.Rules, _ = Compile(j.Trusted)
	for b.Loop() {
		if !Judge(j).Proven {
			b.Fatal("not proven")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	j := good()
	guard(&j, "role.labels.env == 'prod'", "request.ticket != ''")
	for b.Loop() {
		Compile(j.Trusted)
	}
}

func BenchmarkDecide(b *testing.B) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	for b.Loop() {
		if !Decide(l.in).Granted {
			b.Fatal("not granted")
		}
	}
}

// A rule across requests beside a thousand others: half of them hold the role on every
// weekday of three months.
func BenchmarkAcrossRequests(b *testing.B) {
	var others []grants.Decision
	for i := range 1000 {
		who := fmt.Sprintf("person-%d", i)
		if i%2 == 0 {
			others = append(others, holds1(who, "writer", "12:00", "13:00"))
		} else {
			others = append(others, recurs(who, "writer", "0 9 * * MON-FRI", time.Hour, day, day.AddDate(0, 3, 0)))
		}
	}
	j := good()
	guard(&j, "", "role.holders < 600")
	schedule(&j, 8*time.Hour, 29)
	j.Others = others
	j.Rules, _ = Compile(j.Trusted)
	for b.Loop() {
		if v := Judge(j); !v.Proven {
			b.Fatal(lines(v.Checks))
		}
	}
}
