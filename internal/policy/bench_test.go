package policy

import "testing"

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
