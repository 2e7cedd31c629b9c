// Package web is the reconciler's small HTTP listener: metrics, liveness,
// readiness and the forge's push webhook.
//
// It only shows and wakes. Nothing that arrives here grants, revokes or is
// believed: a webhook makes the next look at the branch come sooner, no more.
package web

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what the reconciler does. Its methods are what other packages
// declare in interfaces of their own. Labels are names from the configuration, so
// their number is bounded; no metric names a person, an account or a request.
type Metrics struct {
	registry *prometheus.Registry

	passes        *prometheus.CounterVec
	passDuration  *prometheus.HistogramVec
	grants        *prometheus.CounterVec
	grantLag      *prometheus.HistogramVec
	revokes       *prometheus.CounterVec
	revokeLag     *prometheus.HistogramVec
	callDuration  *prometheus.HistogramVec
	failures      *prometheus.CounterVec
	overdue       *prometheus.GaugeVec
	withheld      *prometheus.GaugeVec
	drift         *prometheus.GaugeVec
	polls         *prometheus.CounterVec
	lastPoll      prometheus.Gauge
	forgeRequests *prometheus.CounterVec
	headAccepted  prometheus.Gauge
	notInForce    prometheus.Gauge
	emergencies   *prometheus.GaugeVec
}

// lagBuckets run from 10 ms to 1 h, in seconds.
var lagBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

// The values of the label result.
const (
	resultOK    = "ok"
	resultError = "error"
)

// NewMetrics returns metrics on a registry of their own.
func NewMetrics(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tenure", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tenure", Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "tenure", Name: name, Help: help, Buckets: lagBuckets}, labels)
	}
	m := &Metrics{
		registry:      prometheus.NewRegistry(),
		passes:        counter("passes_total", "Reconcile passes, by target and result (ok or error).", "target", "result"),
		passDuration:  histogram("pass_duration_seconds", "Duration of one reconcile pass.", "target"),
		grants:        counter("grants_total", "Grants made.", "target"),
		grantLag:      histogram("grant_lag_seconds", "Time from the start of a window to the target's yes to the grant.", "target"),
		revokes:       counter("revokes_total", "Grants taken away.", "target"),
		revokeLag:     histogram("revoke_lag_seconds", "Time from the end of a window to the target's yes to the revoke.", "target"),
		callDuration:  histogram("target_call_duration_seconds", "Duration of one call to a target.", "target", "act"),
		failures:      counter("failures_total", "Calls to a target that failed, by what was tried.", "target", "act"),
		overdue:       gauge("overdue_revokes", "Revokes that are past due and not yet verified.", "target"),
		withheld:      gauge("withheld_removals", "Removals that wait for an operator's confirmation.", "target"),
		drift:         gauge("drift_grants", "Grants found on the target that nobody asked for.", "target"),
		polls:         counter("polls_total", "Looks at the watched branch, by result (ok or error).", "result"),
		lastPoll:      prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tenure", Name: "last_poll_timestamp_seconds", Help: "When the watched branch was last read with success."}),
		forgeRequests: counter("forge_requests_total", "Requests to the forge, by HTTP status (0: no answer).", "code"),
		headAccepted:  prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tenure", Name: "head_accepted_timestamp_seconds", Help: "When the last head of the branch was accepted."}),
		notInForce:    prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tenure", Name: "files_not_in_force", Help: "Files of the branch that are not in force as they stand: broken, not approved, or not proven yet."}),
	}
	m.emergencies = gauge("emergencies", "Uses of break-glass, by state: running, unreviewed, and of these late.", "state")
	info := gauge("build_info", "Version of the program; the value is always 1.", "version", "goversion")
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.passes, m.passDuration, m.grants, m.grantLag, m.revokes, m.revokeLag, m.callDuration, m.failures,
		m.overdue, m.withheld, m.drift, m.polls, m.lastPoll, m.forgeRequests, m.headAccepted, m.notInForce, m.emergencies, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// A counter that appears with its first error has no increase to alert on.
	m.polls.WithLabelValues(resultOK)
	m.polls.WithLabelValues(resultError)
	m.Emergencies(0, 0, 0)
	return m
}

// Handler serves the metrics in the formats that Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:            m.registry,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// Watch makes a target's series appear at zero before anything happens on it.
func (m *Metrics) Watch(target string) {
	m.passes.WithLabelValues(target, resultOK)
	m.passes.WithLabelValues(target, resultError)
	for _, c := range []*prometheus.CounterVec{m.grants, m.revokes} {
		c.WithLabelValues(target)
	}
	for _, act := range []string{"observe", "grant", "revoke"} {
		m.failures.WithLabelValues(target, act)
	}
	for _, g := range []*prometheus.GaugeVec{m.overdue, m.withheld, m.drift} {
		g.WithLabelValues(target)
	}
}

// Pass counts one reconcile pass and how long it took.
func (m *Metrics) Pass(target string, took time.Duration, err error) {
	m.passes.WithLabelValues(target, result(err)).Inc()
	m.passDuration.WithLabelValues(target).Observe(seconds(took))
}

// Granted counts a grant that the target made so long after its start.
func (m *Metrics) Granted(target string, lag time.Duration) {
	m.grants.WithLabelValues(target).Inc()
	m.grantLag.WithLabelValues(target).Observe(seconds(lag))
}

// Revoked counts a grant that the target gave up so long after its end.
func (m *Metrics) Revoked(target string, lag time.Duration) {
	m.revokes.WithLabelValues(target).Inc()
	m.revokeLag.WithLabelValues(target).Observe(seconds(lag))
}

// Called observes how long one call to a target took. Whether it failed is counted
// by Failed, once, by whoever decides what a failure is.
func (m *Metrics) Called(target, act string, took time.Duration) {
	m.callDuration.WithLabelValues(target, act).Observe(seconds(took))
}

// Failed counts a call that failed; act is a fixed word, such as "observe",
// "grant" or "revoke".
func (m *Metrics) Failed(target, act string) { m.failures.WithLabelValues(target, act).Inc() }

// Overdue sets how many revokes are past due.
func (m *Metrics) Overdue(target string, n int) { m.overdue.WithLabelValues(target).Set(float64(n)) }

// Withheld sets how many removals wait for confirmation.
func (m *Metrics) Withheld(target string, n int) { m.withheld.WithLabelValues(target).Set(float64(n)) }

// Drift sets how many grants were found that nobody asked for.
func (m *Metrics) Drift(target string, n int) { m.drift.WithLabelValues(target).Set(float64(n)) }

// Polled counts one look at the branch.
func (m *Metrics) Polled(at time.Time, err error) {
	m.polls.WithLabelValues(result(err)).Inc()
	if err == nil {
		m.lastPoll.Set(timestamp(at))
	}
}

// ForgeRequest counts one request to the forge; status 0 means that no answer came.
func (m *Metrics) ForgeRequest(status int) {
	m.forgeRequests.WithLabelValues(strconv.Itoa(status)).Inc()
}

// HeadAccepted sets when the last head was accepted.
func (m *Metrics) HeadAccepted(at time.Time) { m.headAccepted.Set(timestamp(at)) }

// NotInForce sets how many files of the branch are not in force as they stand.
func (m *Metrics) NotInForce(n int) { m.notInForce.Set(float64(n)) }

func result(err error) string {
	if err != nil {
		return resultError
	}
	return resultOK
}

// seconds never returns less than zero: a clock that was set back must not break
// the sum of a histogram.
func seconds(d time.Duration) float64 { return max(d, 0).Seconds() }

func timestamp(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Emergencies says how many uses of break-glass are running, how many wait for
// their review, and how many of these are past its deadline.
func (m *Metrics) Emergencies(running, unreviewed, late int) {
	m.emergencies.WithLabelValues("running").Set(float64(running))
	m.emergencies.WithLabelValues("unreviewed").Set(float64(unreviewed))
	m.emergencies.WithLabelValues("late").Set(float64(late))
}
