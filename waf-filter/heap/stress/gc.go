//go:build gc.custom

package main

import _ "github.com/palisade-mesh/palisade/waf-filter/heap"
