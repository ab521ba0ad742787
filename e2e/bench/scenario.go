package main

import "net/http"

// scenario is one row of the table: the filters in Envoy, what is asked and what must be answered. Scenarios with
// the same filters share an Envoy.
type scenario struct {
	name    string
	filters []filter
	request request
	status  int
}

// request is a GET that is sent over and over.
type request struct {
	Host    string
	Path    string
	Headers map[string]string
}

// baseline is the scenario whose CPU time is subtracted from that of all others. It always runs.
const baseline = "none"

// scenarios is what is measured: one row for each. A module is named as its file in the build folder.
func scenarios() []scenario {
	few, many, crossed := numbered(20), numbered(10_000), cross(100, 100)
	return []scenario{
		{baseline, nil, last(few), http.StatusOK},
		{"empty", []filter{empty("bench/empty")}, last(few), http.StatusOK},
		{"empty-stripped", []filter{empty("bench/empty-stripped")}, last(few), http.StatusOK},
		{"rbac-20", []filter{rbac(few)}, last(few), http.StatusOK},
		{"authz-20", []filter{authz(few)}, last(few), http.StatusOK},
		{"rbac-10000", []filter{rbac(many)}, last(many), http.StatusOK},
		{"authz-10000", []filter{authz(many)}, last(many), http.StatusOK},
		{"rbac-10000-denied", []filter{rbac(many)}, denied(many), http.StatusForbidden},
		{"authz-10000-denied", []filter{authz(many)}, denied(many), http.StatusForbidden},
		{"authz-10000-cross", []filter{authz(crossed)}, last(crossed), http.StatusOK},
	}
}

// comparison is two scenarios whose added CPU time is divided, one by the other.
type comparison struct {
	of, by string
}

func comparisons() []comparison {
	return []comparison{
		{"empty-stripped", "empty"},
		{"authz-20", "empty"},
		{"authz-10000", "authz-20"},
		{"authz-10000-cross", "authz-20"},
		{"authz-20", "rbac-20"},
		{"authz-10000", "rbac-10000"},
		{"authz-10000-denied", "rbac-10000-denied"},
	}
}

// startups is what is started, with how many policies, to see what a configuration costs before the first request.
func startups() []scenario {
	few, many, most := numbered(20), numbered(10_000), numbered(100_000)
	return []scenario{
		{baseline, nil, last(few), http.StatusOK},
		{"empty-stripped", []filter{empty("bench/empty-stripped")}, last(few), http.StatusOK},
		{"authz-20", []filter{authz(few)}, last(few), http.StatusOK},
		{"rbac-10000", []filter{rbac(many)}, last(many), http.StatusOK},
		{"authz-10000", []filter{authz(many)}, last(many), http.StatusOK},
		{"rbac-100000", []filter{rbac(most)}, last(most), http.StatusOK},
		{"authz-100000", []filter{authz(most)}, last(most), http.StatusOK},
	}
}
