module naytife-postgres/toolchain/pause

go 1.25.0
