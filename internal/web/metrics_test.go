package web_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tenure-dev/tenure/internal/web"
)

func busy() *web.Metrics {
	m := web.NewMetrics("v1.2.3")
	m.Watch("orders-db")
	m.Pass("orders-db", 30*time.Millisecond, nil)
	m.Pass("orders-db", time.Second, errors.New("no"))
	m.Granted("orders-db", 400*time.Millisecond)
	m.Revoked("orders-db", 8*time.Millisecond)
	m.Revoked("orders-db", -time.Second) // the clock was set back
	m.Revoked("orders-db", 2*time.Hour)
	m.Failed("orders-db", "revoke")
	m.Called("orders-db", "observe", time.Second)
	m.Overdue("orders-db", 3)
	m.Withheld("orders-db", 2)
	m.Drift("orders-db", 1)
	m.Polled(noon, nil)
	m.Polled(noon.Add(time.Hour), errors.New("no"))
	m.ForgeRequest(200)
	m.ForgeRequest(0)
	m.HeadAccepted(noon)
	m.NotInForce(2)
	return m
}

func TestMetricsSayWhatHappened(t *testing.T) {
	srv := httptest.NewServer(busy().Handler())
	defer srv.Close()
	want := `
# HELP tenure_drift_grants Grants found on the target that nobody asked for.
# TYPE tenure_drift_grants gauge
tenure_drift_grants{target="orders-db"} 1
# HELP tenure_failures_total Calls to a target that failed, by what was tried.
# TYPE tenure_failures_total counter
tenure_failures_total{act="grant",target="orders-db"} 0
tenure_failures_total{act="observe",target="orders-db"} 0
tenure_failures_total{act="revoke",target="orders-db"} 1
# HELP tenure_files_not_in_force Files of the branch that are not in force as they stand: broken, not approved, or not proven yet.
# TYPE tenure_files_not_in_force gauge
tenure_files_not_in_force 2
# HELP tenure_forge_requests_total Requests to the forge, by HTTP status (0: no answer).
# TYPE tenure_forge_requests_total counter
tenure_forge_requests_total{code="0"} 1
tenure_forge_requests_total{code="200"} 1
# HELP tenure_head_accepted_timestamp_seconds When the last head of the branch was accepted.
# TYPE tenure_head_accepted_timestamp_seconds gauge
tenure_head_accepted_timestamp_seconds 1.7954352e+09
# HELP tenure_last_poll_timestamp_seconds When the watched branch was last read with success.
# TYPE tenure_last_poll_timestamp_seconds gauge
tenure_last_poll_timestamp_seconds 1.7954352e+09
# HELP tenure_overdue_revokes Revokes that are past due and not yet verified.
# TYPE tenure_overdue_revokes gauge
tenure_overdue_revokes{target="orders-db"} 3
# HELP tenure_passes_total Reconcile passes, by target and result (ok or error).
# TYPE tenure_passes_total counter
tenure_passes_total{result="error",target="orders-db"} 1
tenure_passes_total{result="ok",target="orders-db"} 1
# HELP tenure_polls_total Looks at the watched branch, by result (ok or error).
# TYPE tenure_polls_total counter
tenure_polls_total{result="error"} 1
tenure_polls_total{result="ok"} 1
# HELP tenure_revoke_lag_seconds Time from the end of a window to the target's yes to the revoke.
# TYPE tenure_revoke_lag_seconds histogram
tenure_revoke_lag_seconds_bucket{target="orders-db",le="0.01"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="0.025"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="0.05"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="0.1"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="0.25"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="0.5"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="1"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="2.5"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="5"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="10"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="30"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="60"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="300"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="900"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="3600"} 2
tenure_revoke_lag_seconds_bucket{target="orders-db",le="+Inf"} 3
tenure_revoke_lag_seconds_sum{target="orders-db"} 7200.008
tenure_revoke_lag_seconds_count{target="orders-db"} 3
# HELP tenure_withheld_removals Removals that wait for an operator's confirmation.
# TYPE tenure_withheld_removals gauge
tenure_withheld_removals{target="orders-db"} 2
`
	var names []string
	for line := range strings.Lines(want) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "TYPE" {
			names = append(names, f[2])
		}
	}
	if err := testutil.ScrapeAndCompare(srv.URL, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestMetricsFollowTheNamingRules(t *testing.T) {
	_, body := get(t, busy().Handler(), "GET", "/metrics", "", nil)
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "tenure_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if !strings.Contains(body, `tenure_build_info{goversion="go`) {
		t.Error("build_info is missing")
	}
}

func TestTwoSetsOfMetricsDoNotMeet(t *testing.T) {
	busy()
	_, body := get(t, web.NewMetrics("v2").Handler(), "GET", "/metrics", "", nil)
	if strings.Contains(body, "orders-db") {
		t.Error("one registry is shared")
	}
}
