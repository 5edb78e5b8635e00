return function(argv) for i=1,0 do end dofile(argv[1]) return 0 end
